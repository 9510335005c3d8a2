"""Reads cBioPortal copy-number matrices: a row a gene, a column a sample.

Source: https://docs.cbioportal.org/file-formats/ (discrete and log2 copy-number data).
"""

from pathlib import Path
from typing import Any

import numpy as np

from modalities.core.barcodes import case_of
from modalities.core.contract import Cases, Source
from modalities.core.delimited import delimiter_of, listing, numbers, refuse_repeated, rows_of
from modalities.core.tabular import in_agreed_order

FILES = {"calls": "data_cna.txt", "log2": "data_log2_cna.txt"}
FORMATS = ("auto", "cbioportal")
_GENE_COLUMNS = ("Hugo_Symbol", "Entrez_Gene_Id")


def read(source: Source, config: Any) -> Cases:
    """The matrix of `config.values` as cases; a folder stands for the file of cBioPortal's name in it.

    Raises:
        ValueError: the file's problem, with place and remedy.
    """
    if source.format not in FORMATS:
        raise ValueError(f"sources.cnv.format: no format {source.format!r}; known: {', '.join(FORMATS)}")
    if len(source.paths) != 1:
        raise ValueError(f"cnv takes one file or folder, got {len(source.paths)}; name one in site.yaml")
    path = source.paths[0] / FILES[config.values] if source.paths[0].is_dir() else source.paths[0]
    header, *body = rows_of(path, delimiter_of(path))
    if not body:
        raise ValueError(f"{path.name}: a header and no gene; export the file again")
    n_labels = sum(name in _GENE_COLUMNS for name in header)
    if n_labels == 0 or header[:n_labels] != [name for name in header if name in _GENE_COLUMNS]:
        raise ValueError(
            f"{path.name}: the first column must be Hugo_Symbol (or Entrez_Gene_Id), got {header[0]!r}; "
            "is this a cBioPortal copy-number matrix?"
        )
    genes, rows, repeated = _distinct_genes(path, header, body, n_labels)
    samples, columns, skipped = _primary_tumours(path, header, n_labels)
    values = numbers(path, [[row[column] for column in columns] for row in body], samples, first_line=2)[rows].T
    if config.values == "calls":
        _refuse_non_calls(path, values, samples, genes)
    notes = {"samples that are no primary tumour": skipped, "genes listed twice": repeated}
    cases = Cases(tuple(samples), np.ascontiguousarray(values), tuple(genes), notes)
    return in_agreed_order(cases, config.features, absent="genes imputed")


def _distinct_genes(
    path: Path, header: list[str], body: list[list[str]], n_labels: int
) -> tuple[list[str], list[int], int]:
    """Gene names and row numbers; the first row of a gene that stands twice is kept, the others counted."""
    first: dict[str, int] = {}
    unnamed = []
    for number, row in enumerate(body):
        name = next((cell.strip() for cell in row[:n_labels] if cell.strip()), "")
        if not name:
            unnamed.append(f"line {number + 2}")
        first.setdefault(name, number)
    if unnamed:
        raise ValueError(f"{path.name}: no gene name in {listing(unnamed)}; fill {' or '.join(header[:n_labels])}")
    return list(first), list(first.values()), len(body) - len(first)


def _primary_tumours(path: Path, header: list[str], n_labels: int) -> tuple[list[str], list[int], int]:
    """Case ids and column numbers of the primary tumours, and how many columns are something else."""
    blank = [str(column + 1) for column in range(n_labels, len(header)) if not header[column].strip()]
    if blank:
        raise ValueError(f"{path.name}: no sample named at the head of column {listing(blank)}; export the file again")
    found = {column: case_of(header[column]) for column in range(n_labels, len(header))}
    held = {column: case_id for column, case_id in found.items() if case_id is not None}
    if not held:
        raise ValueError(f"{path.name}: no sample of a primary tumour in the header; export the file again")
    refuse_repeated(path, held.values(), "cases", "keep one tumour sample a case")
    return list(held.values()), list(held), len(found) - len(held)


def _refuse_non_calls(path: Path, values: np.ndarray, samples: list[str], genes: list[str]) -> None:
    wrong = np.argwhere(np.isfinite(values) & ~np.isin(values, (-2, -1, 0, 1, 2)))
    if len(wrong):
        named = [f"{genes[gene]} of {samples[case]} = {values[case, gene]:g}" for case, gene in wrong[:11]]
        raise ValueError(
            f"{path.name}: {len(wrong)} values are no GISTIC call from -2 to 2 ({listing(named)}); "
            "for log2 ratios set modalities.cnv.values: log2"
        )
