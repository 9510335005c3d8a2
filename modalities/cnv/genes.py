"""Where genes lie on each assembly, and the copy number of a gene from segments.

19,048 protein-coding genes, the same on both assemblies; sources and licences stand in the files of `reference/`.
"""

import json
from collections.abc import Mapping, Sequence
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


def means_within(
    places: Sequence[Place | None],
    chromosomes: Sequence[str],
    starts: Int64[np.ndarray, " segment"],
    ends: Int64[np.ndarray, " segment"],
    values: Float[np.ndarray, " segment"],
) -> Float32[np.ndarray, " gene"]:
    """Of each place the mean over its bases that segments with a value cover; NaN where none does.

    Segments do not overlap. With C(x) the bases covered up to x, and S(x) the sum of the values over them, both linear
    between the segments' ends, a gene from a to b has (S(b) - S(a - 1)) / (C(b) - C(a - 1)).
    """
    result = np.full(len(places), np.nan, dtype=np.float32)
    names = np.asarray(chromosomes)
    for chromosome in dict.fromkeys(place[0] for place in places if place is not None):
        own = np.flatnonzero((names == chromosome) & np.isfinite(values))
        if not len(own):
            continue
        own = own[np.argsort(starts[own])]
        genes = [number for number, place in enumerate(places) if place is not None and place[0] == chromosome]
        firsts, lasts = (np.array([places[gene][side] for gene in genes]) for side in (1, 2))  # pyright: ignore
        before = np.concatenate([[0], ends[own][:-1]])
        begins = np.maximum(starts[own] - 1, before)  # two segments may share a base
        bases = np.maximum(ends[own] - begins, 0)
        edges = np.stack([begins, begins + bases], axis=1).ravel()
        covered = _up_to(edges, bases)
        totals = _up_to(edges, bases * values[own])
        n = np.interp(lasts, edges, covered) - np.interp(firsts - 1, edges, covered)
        sums = np.interp(lasts, edges, totals) - np.interp(firsts - 1, edges, totals)
        result[genes] = np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0.5)
    return result


def _up_to(edges: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """The running sum at both edges of each segment."""
    sums = np.cumsum(amounts)
    return np.stack([sums - amounts, sums], axis=1).ravel().astype(np.float64)
