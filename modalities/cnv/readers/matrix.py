"""Reads a gene matrix: a row a gene, a column a sample, the gene's names in the first columns.

cBioPortal's are `data_cna.txt` of GISTIC calls and `data_log2_cna.txt` of log2 ratios. Xena's are GISTIC2's,
thresholded and continuous, with `Gistic2_CopyNumber_Gistic2_` before their names; Firehose's own are alike.

Source: https://docs.cbioportal.org/file-formats/ (discrete and log2 copy-number data);
https://xenabrowser.net/datapages/ (copy number (gene-level), gistic2 and gistic2_thresholded).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from modalities.core.files.barcodes import case_of
from modalities.core.files.remarks import remark
from modalities.core.files.tables.delimited import listing, numbers, refuse_any, refuse_repeated, table_of
from modalities.core.problems import note, unusable

Owner = Callable[[str], str | None]
"""Whose a sample is; None for one that is no primary tumour."""
NOT_PRIMARY = "samples that are no primary tumour"
_DATE = re.compile(r"\d{1,2}-[A-Z][a-z]{2}|[A-Z][a-z]{2}-\d{2}|\d{4}-\d{2}-\d{2}(?:T.*)?|\d{1,2}\.[A-Z][a-z]{2}")
# What GISTIC writes between the gene's name and the samples.
_BESIDE_NAMES = ("Locus ID", "Gene ID", "Cytoband")


@dataclass(frozen=True)
class Format:
    """One program's matrices."""

    program: str
    name_columns: Sequence[str]
    """Each may name the gene."""
    files: Mapping[str, str]
    """`calls` and `log2` -> how the names of such files end."""


CBIOPORTAL = Format(
    "cBioPortal", ("Hugo_Symbol", "Entrez_Gene_Id"), {"calls": "data_cna.txt", "log2": "data_log2_cna.txt"}
)
XENA = Format("Xena", ("Gene Symbol", "sample"), {"calls": "all_thresholded.by_genes", "log2": "all_data_by_genes"})


@dataclass(frozen=True)
class GeneValues:
    """Copy number by gene, whatever the file looked like."""

    case_ids: tuple[str, ...]
    genes: tuple[str, ...]
    values: Float32[np.ndarray, "case gene"]
    notes: dict[str, int]
    arms: tuple[str | None, ...] | None = None
    """Each gene's arm, where the file itself says where its genes lie."""


def read_matrix(path: Path, matrix: Format, sheet: str = "", owner: Owner = case_of) -> GeneValues:
    """The matrix, primary tumours only; a gene without its first name goes by the next."""
    rows, name_columns = table_of(path, sheet=sheet), matrix.name_columns
    header, body = rows[0], rows[1:]
    if not body:
        raise unusable("a header and no gene", "export the file again", file=path.name)
    if header[0] not in name_columns:
        what = f"the first column must be {' or '.join(name_columns)}, got {header[0]!r}"
        raise unusable(what, f"is this a copy-number matrix of {matrix.program}?", file=path.name)
    labels = (*name_columns, *_BESIDE_NAMES)
    n_labels = next((n for n, cell in enumerate(header) if cell not in labels), len(header))
    late = [name for name in header[n_labels:] if name in labels]
    refuse_any(path, late, "{} stands among the samples", "move it to the left of them")
    naming = [column for column in range(n_labels) if header[column] in name_columns]
    genes, kept, repeated = _distinct_genes(path, header, body, naming)
    samples, columns, skipped = _primary_tumours(path, header, n_labels, owner)
    values = numbers(path, ([row[column] for column in columns] for row in body), samples, first_line=2)
    notes = {NOT_PRIMARY: skipped, "genes listed twice": repeated}
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
    columns = " or ".join(header[column] for column in naming)
    refuse_any(path, unnamed, "no gene name in {}", f"fill {columns}", are_places=True)
    if dates := [name for name in names if _DATE.fullmatch(name)]:
        what = f"{len(dates)} genes have become dates ({listing(dates)}), as a spreadsheet program makes of MARCH1"
        remark(note(what, "take the file as the program wrote it, not as a spreadsheet saved it", file=path.name))
    first = distinct(names)
    return list(first), list(first.values()), len(names) - len(first)


def _primary_tumours(
    path: Path, header: Sequence[str], n_labels: int, owner: Owner
) -> tuple[list[str], list[int], int]:
    """Case ids and column numbers of the primary tumours, and how many columns are something else."""
    blank = [str(column + 1) for column in range(n_labels, len(header)) if not header[column].strip()]
    refuse_any(path, blank, "no sample named at the head of column {}", "export the file again")
    found = {column: owner(header[column].strip()) for column in range(n_labels, len(header))}
    held = {column: case_id for column, case_id in found.items() if case_id is not None}
    if not held:
        raise unusable("no sample of a primary tumour in the header", "export the file again", file=path.name)
    remedy = "keep one tumour sample a case, or name it in a CSV with the columns sample and case_id beside the file"
    refuse_repeated(path, held.values(), "cases", remedy)
    return list(held.values()), list(held), len(found) - len(held)
