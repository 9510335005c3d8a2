"""Where genes lie on each assembly, and the copy number of a gene from segments.

19,048 protein-coding genes, the same on both assemblies; sources and licences stand in the files of `reference/`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Float32, Int64

from modalities.cnv.genome import REFERENCE

Place = tuple[str, int, int]
"""Chromosome, first and last base."""


@cache
def places_of(assembly: str) -> Mapping[str, Place]:
    """Gene -> its place, in the order of the genome."""
    table = json.loads((REFERENCE / f"genes_{assembly}.json").read_text(encoding="utf-8"))["genes"]
    places = {}
    for chromosome, text in table.items():
        words = text.split()
        for name, start, beyond in zip(words[::3], words[1::3], words[2::3], strict=True):
            places[name] = (chromosome, int(start), int(start) + int(beyond))
    return places


@cache
def _approved() -> Mapping[str, str]:
    """Names in capitals, of today and before -> the approved symbol."""
    former = json.loads((REFERENCE / "former_names.json").read_text(encoding="utf-8"))["genes"]
    names = {old: symbol for symbol, olds in former.items() for old in olds.split()}
    return {**names, **{symbol.upper(): symbol for symbol in places_of("hg38")}}


def place_of(name: str, assembly: str) -> Place | None:
    """Where a gene lies, by its symbol or a former one; None for a name that the table does not have.

    GISTIC writes `NAME|chr7` for one of several genes of a name.
    """
    symbol = _approved().get(name.partition("|")[0].strip().upper())
    return None if symbol is None else places_of(assembly)[symbol]


@dataclass(frozen=True)
class Spans:
    """Genes of one chromosome."""

    genes: Int64[np.ndarray, " gene"]
    """Their numbers in the list that they come from."""
    firsts: Int64[np.ndarray, " gene"]
    lasts: Int64[np.ndarray, " gene"]


def spans_by_chromosome(places: Sequence[Place | None]) -> dict[str, Spans]:
    """The genes that have a place, by chromosome."""
    held: dict[str, list[tuple[int, int, int]]] = {}
    for number, place in enumerate(places):
        if place is not None:
            chromosome, first, last = place
            held.setdefault(chromosome, []).append((number, first, last))
    return {chromosome: Spans(*np.array(rows, dtype=np.int64).T) for chromosome, rows in held.items()}


def means_within(
    spans: Mapping[str, Spans],
    n_genes: int,
    chromosomes: Sequence[str],
    starts: Int64[np.ndarray, " segment"],
    ends: Int64[np.ndarray, " segment"],
    values: Float[np.ndarray, " segment"],
) -> Float32[np.ndarray, " gene"]:
    """Of each gene the mean over its bases that segments with a value cover; NaN where none does, or without a place.

    Segments do not overlap. With C(x) the bases covered up to x, and S(x) the sum of the values over them, both linear
    between the segments' ends, a gene from a to b has (S(b) - S(a - 1)) / (C(b) - C(a - 1)).
    """
    result = np.full(n_genes, np.nan, dtype=np.float32)
    names = np.asarray(chromosomes)
    for chromosome, own in spans.items():
        rows = np.flatnonzero((names == chromosome) & np.isfinite(values))
        if not len(rows):
            continue
        rows = rows[np.argsort(starts[rows])]
        before = np.concatenate([[0], ends[rows][:-1]])
        begins = np.maximum(starts[rows] - 1, before)  # two segments may share a base
        bases = np.maximum(ends[rows] - begins, 0)
        edges = np.stack([begins, begins + bases], axis=1).ravel()
        n = _within(own, edges, _up_to(bases))
        sums = _within(own, edges, _up_to(bases * values[rows]))
        result[own.genes] = np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0.5)
    return result


def _up_to(amounts: np.ndarray) -> np.ndarray:
    """The running sum at both edges of each segment."""
    sums = np.cumsum(amounts)
    return np.stack([sums - amounts, sums], axis=1).ravel().astype(np.float64)


def _within(spans: Spans, edges: np.ndarray, running: np.ndarray) -> np.ndarray:
    """How much of a running sum falls to each gene."""
    return np.interp(spans.lasts, edges, running) - np.interp(spans.firsts - 1, edges, running)
