"""Reads a gene matrix: a row a gene, a column a sample, the gene's names in the first columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from modalities.core.files.barcodes import case_of
from modalities.core.files.delimited import delimiter_of, listing, numbers, refuse_repeated, table_of
from modalities.core.problems import unusable

# What GISTIC writes between the gene's name and the samples.
_BESIDE_NAMES = ("Locus ID", "Gene ID", "Cytoband")


@dataclass(frozen=True)
class GeneValues:
    """Copy number by gene, whatever the file looked like."""

    case_ids: tuple[str, ...]
    genes: tuple[str, ...]
    values: Float32[np.ndarray, "case gene"]
    notes: dict[str, int]
    arms: tuple[str | None, ...] | None = None
    """Each gene's arm, where the file itself says where its genes lie."""


def read_matrix(path: Path, name_columns: Sequence[str], program: str) -> GeneValues:
    """The matrix, primary tumours only; `name_columns` may each name the gene.

    Raises:
        ValueError: the file's problem, with place and remedy.
    """
    rows = table_of(path, delimiter_of(path))
    header, body = rows[0], rows[1:]
    if not body:
        raise unusable("a header and no gene", "export the file again", file=path.name)
    if header[0] not in name_columns:
        raise unusable(
            f"the first column must be {' or '.join(name_columns)}, got {header[0]!r}",
            f"is this a copy-number matrix of {program}?",
            file=path.name,
        )
    labels = (*name_columns, *_BESIDE_NAMES)
    n_labels = next((n for n, cell in enumerate(header) if cell not in labels), len(header))
    if late := [name for name in header[n_labels:] if name in labels]:
        raise unusable(f"{listing(late)} stands among the samples", "move it to the left of them", file=path.name)
    naming = [column for column in range(n_labels) if header[column] in name_columns]
    genes, kept, repeated = _distinct_genes(path, header, body, naming)
    samples, columns, skipped = _primary_tumours(path, header, n_labels)
    values = numbers(path, ([row[column] for column in columns] for row in body), samples, first_line=2)
    notes = {"samples that are no primary tumour": skipped, "genes listed twice": repeated}
    return GeneValues(tuple(samples), tuple(genes), np.ascontiguousarray(values[kept].T), notes)


def distinct(names: Sequence[str]) -> dict[str, int]:
    """Each name and where it stands first."""
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        first.setdefault(name, number)
    return first


def _distinct_genes(
    path: Path, header: Sequence[str], body: Sequence[Sequence[str]], naming: Sequence[int]
) -> tuple[list[str], list[int], int]:
    """Gene names and row numbers; the first row of a gene that stands twice is kept, the others counted."""
    names = [next((cell for column in naming if (cell := row[column].strip())), "") for row in body]
    unnamed = [f"line {number + 2}" for number, name in enumerate(names) if not name]
    if unnamed:
        columns = " or ".join(header[column] for column in naming)
        raise unusable(f"no gene name in {listing(unnamed)}", f"fill {columns}", file=path.name, where=unnamed[0])
    first = distinct(names)
    return list(first), list(first.values()), len(names) - len(first)


def _primary_tumours(path: Path, header: Sequence[str], n_labels: int) -> tuple[list[str], list[int], int]:
    """Case ids and column numbers of the primary tumours, and how many columns are something else."""
    blank = [str(column + 1) for column in range(n_labels, len(header)) if not header[column].strip()]
    if blank:
        raise unusable(
            f"no sample named at the head of column {listing(blank)}", "export the file again", file=path.name
        )
    found = {column: case_of(header[column]) for column in range(n_labels, len(header))}
    held = {column: case_id for column, case_id in found.items() if case_id is not None}
    if not held:
        raise unusable("no sample of a primary tumour in the header", "export the file again", file=path.name)
    refuse_repeated(path, held.values(), "cases", "keep one tumour sample a case")
    return list(held.values()), list(held), len(found) - len(held)
