"""Deals raw files out to sites: whatever the format, each site gets a file of the same format with its own cases."""

import gzip
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from modalities.cnv.files import aliquot_files
from modalities.cnv.readers.aliquots import registers_in, samples_of
from modalities.core.files.tables.delimited import delimiter_of, rows_of
from modalities.core.files.tables.workbook import is_workbook
from simulations.cohorts.slide_folders import deal_slides

_CASE = re.compile(r"^(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})(?:-.+)?$")


def deal(path: Path, site_of: Mapping[str, str], folders: Mapping[str, Path]) -> dict[str, Path]:
    """Write one file or folder a site, named as the original; a site of whose cases it has none gets nothing.

    A table has a case a row, below any number of header rows; a matrix has a case a column. Header rows and columns
    that belong to no case go to every site, cases of no site to none. Of a folder, each file goes to the site of its
    case, and with it its row of a sample sheet or manifest.

    Raises:
        ValueError: the file has no case of any site, or a folder's file is nobody's.
    """
    if path.is_dir():
        return _deal_folder(path, site_of, folders)
    if path.suffix == ".parquet":
        pieces = _frames_by_site(pd.read_parquet(path), site_of)
    else:
        rows = rows_of(path)
        is_matrix = any(_owner(cell, site_of) for cell in rows[0])
        pieces = (_columns_by_site if is_matrix else _rows_by_site)(rows, site_of)
    _refuse_nothing(path, pieces)
    written = {}
    for site, piece in pieces.items():
        written[site] = folders[site] / _name(path)
        written[site].parent.mkdir(parents=True, exist_ok=True)
        _write(written[site], piece)
    return written


def _deal_folder(folder: Path, site_of: Mapping[str, str], folders: Mapping[str, Path]) -> dict[str, Path]:
    """Copy each aliquot's file to the site of its case, wherever in the folder it lies; slides are linked."""
    files = [path for paths in aliquot_files(folder).values() for path in paths]
    if not files:
        slides = deal_slides(folder, site_of, folders)
        _refuse_nothing(folder, slides)
        return slides
    registers = registers_in(folder, {})
    owners = {path: site_of.get(sample.case_id) for path, sample in samples_of(files, registers).items()}
    written = {site: folders[site] / folder.name for site in dict.fromkeys(owners.values()) if site}
    _refuse_nothing(folder, written)
    for path, site in owners.items():
        if site:
            target = written[site] / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    for register in registers:
        for site, copy in written.items():
            names = {path.name for path, owner in owners.items() if owner == site}
            own = [row for row in register.rows[1:] if row[register.file_column].strip() in names]
            copy.mkdir(parents=True, exist_ok=True)
            _write(copy / _name(register.path), [register.rows[0], *own])
    return written


def _refuse_nothing(path: Path, pieces: Mapping[str, object]) -> None:
    if not pieces:
        raise ValueError(f"{path.name}: none of the study's cases in it; is it a table of the same cohort?")


def _owner(cell: str, site_of: Mapping[str, str]) -> str | None:
    """The site of the case that a cell names, if it names one."""
    text = cell.strip()
    match = _CASE.match(text)
    return site_of.get(text) or (site_of.get(match.group(1)) if match else None)


def _first_case(cells: Sequence[str], owners: Sequence[str | None]) -> int:
    """Where the cases begin, whether or not the first of them is of the study."""
    named = (place for place, cell in enumerate(cells) if owners[place] or _CASE.match(cell.strip()))
    return next(named, len(cells))


def _columns_by_site(rows: Sequence[list[str]], site_of: Mapping[str, str]) -> dict[str, list[list[str]]]:
    owners = [_owner(cell, site_of) for cell in rows[0]]
    sites = dict.fromkeys(owner for owner in owners if owner)
    first = _first_case(rows[0], owners)
    kept = {site: [column for column, owner in enumerate(owners) if owner == site or column < first] for site in sites}
    return {site: [[row[column] for column in columns] for row in rows] for site, columns in kept.items()}


def _rows_by_site(rows: Sequence[list[str]], site_of: Mapping[str, str]) -> dict[str, list[list[str]]]:
    hits = [sum(_owner(row[column], site_of) is not None for row in rows) for column in range(len(rows[0]))]
    column = hits.index(max(hits))
    owners = [_owner(row[column], site_of) for row in rows]
    first = _first_case([row[column] for row in rows], owners)
    pieces: dict[str, list[list[str]]] = {}
    for row, owner in zip(rows[first:], owners[first:], strict=True):
        if owner:
            pieces.setdefault(owner, list(rows[:first])).append(row)
    return pieces


def _frames_by_site(frame: pd.DataFrame, site_of: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """The rows of each site; the cases stand in the index or in the column that names most of them."""
    columns = [frame.index, *(frame[name] for name in frame.columns)]
    found = [[_owner(str(cell), site_of) for cell in column] for column in columns]
    owners = max(found, key=lambda own: len(own) - own.count(None))
    return {str(site): piece for site, piece in frame.groupby(np.array(owners, dtype=object)) if site}


def _name(path: Path) -> str:
    """What a site's copy is called; that of a workbook is a CSV."""
    return path.with_suffix(".csv").name if is_workbook(path) else path.name


def _write(path: Path, piece: Sequence[Sequence[str]] | pd.DataFrame) -> None:
    if isinstance(piece, pd.DataFrame):
        piece.to_parquet(path)
        return
    text = pd.DataFrame(piece).to_csv(index=False, header=False, sep=delimiter_of(path), lineterminator="\n")
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), compresslevel=1, mtime=0))
    else:
        path.write_text(text, encoding="utf-8")
