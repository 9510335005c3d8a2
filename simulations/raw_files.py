"""Deals raw files out to sites: whatever the format, each site gets a file of the same format with its own cases."""

import gzip
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from modalities.core.delimited import delimiter_of, rows_of

_CASE = re.compile(r"^(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})(?:-.+)?$")


def deal(path: Path, site_of: Mapping[str, str], folders: Mapping[str, Path]) -> dict[str, Path]:
    """Write one file a site, named as the original; a site of whose cases the file has none gets no file.

    A table has a case a row, below any number of header rows; a matrix has a case a column. Header rows and columns
    that belong to no case go to every site.

    Raises:
        ValueError: the file has no case of any site.
    """
    rows = _read(path)
    matrix_owners = [_owner(cell, site_of) for cell in rows[0]]
    pieces = _columns_by_site(rows, matrix_owners) if any(matrix_owners) else _rows_by_site(rows, site_of)
    if not pieces:
        raise ValueError(f"{path.name}: none of the study's cases in it; is it a table of the same cohort?")
    written = {}
    for site, piece in pieces.items():
        written[site] = folders[site] / path.name
        written[site].parent.mkdir(parents=True, exist_ok=True)
        _write(written[site], piece)
    return written


def _owner(cell: str, site_of: Mapping[str, str]) -> str | None:
    """The site of the case that a cell names, if it names one."""
    text = cell.strip()
    match = _CASE.match(text)
    return site_of.get(text) or (site_of.get(match.group(1)) if match else None)


def _columns_by_site(rows: Sequence[list[str]], owners: Sequence[str | None]) -> dict[str, list[list[str]]]:
    sites = dict.fromkeys(owner for owner in owners if owner)
    first = next(column for column, owner in enumerate(owners) if owner)
    kept = {site: [column for column, owner in enumerate(owners) if owner == site or column < first] for site in sites}
    return {site: [[row[column] for column in columns] for row in rows] for site, columns in kept.items()}


def _rows_by_site(rows: Sequence[list[str]], site_of: Mapping[str, str]) -> dict[str, list[list[str]]]:
    hits = [sum(_owner(row[column], site_of) is not None for row in rows) for column in range(len(rows[0]))]
    column = hits.index(max(hits))
    owners = [_owner(row[column], site_of) for row in rows]
    first = next((number for number, owner in enumerate(owners) if owner), len(rows))
    pieces: dict[str, list[list[str]]] = {}
    for row, owner in zip(rows[first:], owners[first:], strict=True):
        if owner:
            pieces.setdefault(owner, list(rows[:first])).append(row)
    return pieces


def _read(path: Path) -> list[list[str]]:
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        body = frame.astype(object).where(frame.notna(), "").astype(str).values.tolist()
        return [[str(name) for name in frame.columns], *body]
    return rows_of(path, delimiter_of(path))


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    if path.suffix == ".parquet":
        frame = pd.DataFrame(rows[1:], columns=pd.Index(rows[0]))
        numeric = {name: pd.to_numeric(frame[name], errors="coerce") for name in frame.columns[1:]}
        frame.assign(**numeric).to_parquet(path)
        return
    frame = pd.DataFrame(rows)
    text = frame.to_csv(index=False, header=False, sep=delimiter_of(path), lineterminator="\n")
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), compresslevel=1, mtime=0))
    else:
        path.write_text(text, encoding="utf-8")
