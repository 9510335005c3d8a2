"""Looks through the parts of an Excel workbook before they are read: how large, and what a reader of cells overlooks.

Openpyxl trusts a workbook: a row of a billion cells, or a thousandfold packed nothing, would end the process; rows out
of order, merged cells and formulas that were never calculated it passes over. This pass takes constant memory.
"""

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from modalities.core.problems import unusable

MOST_CELLS = 5_000_000
"""Of all sheets, empty ones left of others counted: half a minute to read, a gigabyte of memory."""
MOST_BYTES = 300_000_000
"""Of all parts, unpacked."""
_MOST_OTHERS = 500_000
"""Styles, merged cells and the like, each of which takes a kilobyte."""
_MOST_ROWS, _MOST_COLUMNS = 1 << 20, 1 << 14
_LETTERS = re.compile("[A-Z]{1,3}")
_CHUNK = 1 << 16
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main "
_ROW, _CELL, _FORMULA, _MERGED = (_MAIN + tag for tag in ("row", "c", "f", "mergeCell"))
_VALUES = frozenset(_MAIN + tag for tag in ("v", "is"))
_CONTENTS = _VALUES | {_MAIN + tag for tag in ("t", "si", "f")}
"""What a cell may hold, up to four of them."""
_AS_CSV = "export the sheet as CSV, which is read however large it is"


class DamagedError(Exception):
    """What no spreadsheet program writes."""


class _TooLargeError(Exception):
    pass


@dataclass
class Facts:
    """What a sheet holds beside values."""

    is_empty: bool = True
    n_hidden: int = 0
    """Rows that a filter or a person has hidden."""
    merged: list[str] = field(default_factory=list)
    """Ranges such as A1:B2."""
    formulas: set[tuple[int, int]] = field(default_factory=set)
    """Row and column, from 1, of calculated cells."""


def facts_of(path: Path, raw: bytes) -> dict[str, Facts]:
    """Of each XML part of the workbook with this content, by its name in the archive.

    Raises:
        ValueError: it is too large to be read.
        DamagedError: it is no workbook as a spreadsheet program writes it.
        zipfile.BadZipFile, expat.ExpatError: it is damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            parts = archive.infolist()
            if sum(part.file_size for part in parts) > MOST_BYTES:
                raise _TooLargeError(f"more than {MOST_BYTES // 10**6} MB unpacked")
            texts = [part for part in parts if part.filename.endswith((".xml", ".rels"))]
            counts = _Counts()
            return {part.filename: _facts(archive, part, counts) for part in texts}
    except _TooLargeError as error:
        raise unusable(f"the workbook is too large: {error}", _AS_CSV, file=path.name) from None


def _facts(archive: zipfile.ZipFile, part: zipfile.ZipInfo, counts: "_Counts") -> Facts:
    """Parse events only: no tree is built. A part yields no more bytes than the sizes that were added up."""
    scan = _Scan(counts)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = scan.begin
    parser.StartDoctypeDeclHandler = _refuse_doctype
    with archive.open(part) as file:
        while chunk := file.read(_CHUNK):
            parser.Parse(chunk, False)
    parser.Parse(b"", True)
    return scan.facts


def _refuse_doctype(*_: Any) -> None:
    raise DamagedError


@dataclass
class _Counts:
    """Over all parts."""

    cells: int = 0
    contents: int = 0
    others: int = 0

    def add_cells(self, more: int) -> None:
        self.cells += more
        if self.cells > MOST_CELLS:
            raise _TooLargeError(f"more than {MOST_CELLS:,} cells")

    def add_content(self) -> None:
        self.contents += 1
        if self.contents > 4 * MOST_CELLS:
            raise _TooLargeError(f"more than {MOST_CELLS:,} cells with their values")

    def add_other(self) -> None:
        self.others += 1
        if self.others > _MOST_OTHERS:
            raise _TooLargeError(f"more than {_MOST_OTHERS:,} formats, merged cells and the like")


class _Scan:
    """Looks at the elements of a part as they begin."""

    def __init__(self, counts: _Counts) -> None:
        self.facts = Facts()
        self._counts = counts
        self._row = self._column = 0

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == _CELL:
            self._begin_cell(attributes)
        elif name in _CONTENTS:
            self._counts.add_content()
            self.facts.is_empty &= name not in _VALUES
            if name == _FORMULA:
                self.facts.formulas.add((self._row, self._column))
        elif name == _ROW:
            self._begin_row(attributes)
        else:
            self._counts.add_other()
            if name == _MERGED:
                self.facts.merged.append(attributes.get("ref", ""))

    def _begin_row(self, attributes: Mapping[str, str]) -> None:
        row = int(float(attributes.get("r", self._row + 1)))
        if not self._row < row <= _MOST_ROWS:
            raise DamagedError
        self._row, self._column = row, 0
        self.facts.n_hidden += attributes.get("hidden") in ("1", "true")

    def _begin_cell(self, attributes: Mapping[str, str]) -> None:
        place = attributes.get("r")
        row, column = place_of(place) if place else (self._row, self._column + 1)
        if row != self._row or not self._column < column <= _MOST_COLUMNS:
            raise DamagedError
        self._counts.add_cells(column - self._column)
        self._column = column


def place_of(name: str) -> tuple[int, int]:
    """Row and column, from 1, of a cell's name such as AB12."""
    letters = name.rstrip("0123456789")
    column = 0
    if not _LETTERS.fullmatch(letters):
        raise DamagedError
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    return int(name[len(letters) :]), column
