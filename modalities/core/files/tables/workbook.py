"""Reads a sheet of an Excel workbook as the text that its CSV export would hold: formulas by their last value.

Numbers are written with a point and with all their digits, dates as 2024-05-31, percentages and leading zeros as the
sheet shows them.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import Any

from modalities.core.files.remarks import remark
from modalities.core.files.tables.decimals import with_points
from modalities.core.files.tables.decoding import bytes_of
from modalities.core.files.tables.splitting import n_comments
from modalities.core.files.tables.workbook_parts import Facts, facts_of, place_of
from modalities.core.problems import Problem, ProblemsError, check, listing, note, unusable, warning

_LEADING_ZEROS = re.compile(r"0{2,}")
_PERCENT = re.compile(r"0(\.0+)?%")
_NAME_IT = "name it as `sheet` beside `paths` in site.yaml, or make it the first sheet"


class _Typed(str):
    """The text of a cell that holds a number or a date: no country's decimal sign is in it."""

    __slots__ = ()


@dataclass(frozen=True)
class _Sheet:
    name: str
    cells: Any
    """Openpyxl's read-only sheet."""
    facts: Facts


@dataclass
class _Wrong:
    """Names of cells."""

    errors: list[str] = field(default_factory=list)
    uncalculated: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)


def is_workbook(path: Path) -> bool:
    return path.suffix.lower() == ".xlsx"


def cells_of(path: Path, sheet: str, comment: str) -> list[list[str]]:
    """The rows of the named sheet, or of the first one, all as wide as the header; empty ones at the end are none.

    Raises:
        ValueError: all that keeps the sheet from being read as a table, with the names of the cells.
    """
    with _reading(path):
        found, others = _chosen(path, _packed(path), sheet)
        if others and not sheet:
            what = f"only the first sheet {found.name!r} is read; others hold something too: {listing(others)}"
            remark(note(what, f"if the table is on one of them, {_NAME_IT}", file=path.name))
        return _table(path, found, comment)


def first_row_of(path: Path, sheet: str) -> list[str]:
    """The sheet's first row, without what is wrong with its cells.

    Raises:
        ValueError: it is no workbook, or has no such sheet.
    """
    with _reading(path):
        found, _ = _chosen(path, _packed(path), sheet)
        row = next(iter(found.cells.rows), ())
        return _without_blanks([_text(cell, found, _Wrong()) for cell in row])


def _packed(path: Path) -> bytes:
    raw = bytes_of(path)
    if not raw.startswith(b"PK"):
        what = "no Excel workbook, or one with a password, though its name says so"
        raise unusable(what, "save it without a password as .xlsx, or as CSV with the ending .csv", file=path.name)
    return raw


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """A damaged workbook fails anywhere in the parser, in any way: it is said once."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what openpyxl leaves out: filters, drawings, extensions
            yield
    except ProblemsError:
        raise
    except Exception as error:
        what, remedy = "no readable Excel workbook: damaged or cut off", "save it again as .xlsx, or as CSV"
        raise unusable(what, remedy, file=path.name) from error


def _chosen(path: Path, raw: bytes, wanted: str) -> tuple[_Sheet, list[str]]:
    """The sheet to read, and the names of the others that hold something."""
    import openpyxl  # here: it takes a tenth of a second, and most sites have no workbook

    facts = facts_of(path, raw)
    book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    held = [name for name, sheet in sheets.items() if not facts[_part_of(sheet)].is_empty]
    if wanted and wanted not in sheets:
        raise unusable(f"no sheet {wanted!r}", f"it has {listing(list(sheets))}", file=path.name)
    name = wanted or next(iter(sheets), "")
    if name not in held:
        what = f"the sheet {name!r} is empty" if name else "no sheet with cells"
        remedy = f"{_NAME_IT}: {listing(held)}" if held else "save it again as .xlsx, or as CSV"
        raise unusable(what, remedy, file=path.name)
    sheet: Any = sheets[name]
    sheet.reset_dimensions()  # what the file says of its size is not believed: it may be all that a sheet can hold
    return _Sheet(name, sheet, facts[_part_of(sheet)]), [other for other in held if other != name]


def _part_of(sheet: Any) -> str:
    """Where the sheet lies in the archive; openpyxl does not tell it otherwise."""
    return sheet._worksheet_path


def _table(path: Path, sheet: _Sheet, comment: str) -> list[list[str]]:
    wrong = _Wrong()
    rows = [_without_blanks([_text(cell, sheet, wrong) for cell in row]) for row in sheet.cells.rows]
    while rows and not rows[-1]:
        rows.pop()
    above = n_comments(rows, comment)
    header = rows[above] if above < len(rows) else []
    if len(header) < 2:
        what = f"row {above + 1} holds {'one name' if header else 'nothing'}, no header of a table"
        where = f"sheet {sheet.name!r}"
        raise unusable(what, "the column names must be in the first row", file=path.name, where=where)
    wrong.beyond += [_name(row, column) for row, column in _beyond(rows, above, len(header))]
    check(_problems(path, sheet, wrong, _merged(sheet.facts, len(rows), len(header))))
    _remark_hidden(path, sheet)
    even = [*rows[:above], *(row + [""] * (len(header) - len(row)) for row in rows[above:])]
    return _pointed(path, even, n_header=above + 1)


def _pointed(path: Path, rows: list[list[str]], n_header: int) -> list[list[str]]:
    """The rows with decimal points; which sign the table has is told from numbers that were typed as text."""
    texts = with_points(path, [["" if isinstance(cell, _Typed) else cell for cell in row] for row in rows], n_header)
    return [
        [str(cell) if isinstance(cell, _Typed) else text for cell, text in zip(row, texts_of_row, strict=True)]
        for row, texts_of_row in zip(rows, texts, strict=True)
    ]


def _text(cell: Any, sheet: _Sheet, wrong: _Wrong) -> str:
    value = cell.value
    if value is None:
        if cell.data_type == "n" and sheet.facts.formulas and (place := _place(cell)) in sheet.facts.formulas:
            wrong.uncalculated.append(_name(*place))
        return ""
    if isinstance(value, str):
        if cell.data_type == "e":
            wrong.errors.append(f"{_name(*_place(cell))} {value}")
        return value
    if isinstance(value, bool):
        return _Typed(str(value).upper())
    if isinstance(value, int | float):
        return _Typed(_number(value, cell.number_format))
    if isinstance(value, datetime) and value.time() == time():
        return _Typed(value.date().isoformat())
    return _Typed(value.isoformat() if hasattr(value, "isoformat") else str(value))


def _place(cell: Any) -> tuple[int, int]:
    """Row and column, from 1; a cell that the file leaves out has neither."""
    return getattr(cell, "row", 0), getattr(cell, "column", 0)


def _number(value: float, shown_as: str) -> str:
    if _PERCENT.fullmatch(shown_as):
        return f"{value * 100:.12g}%"
    if float(value).is_integer() and abs(value) < 1e16:
        return str(int(value)).zfill(len(shown_as) if _LEADING_ZEROS.fullmatch(shown_as) else 0)
    return repr(value)


def _without_blanks(row: list[str]) -> list[str]:
    """The row up to its last cell that holds something."""
    width = next((n for n in range(len(row), 0, -1) if row[n - 1].strip()), 0)
    return row[:width]


def _beyond(rows: Sequence[list[str]], above: int, width: int) -> Iterator[tuple[int, int]]:
    """Cells right of the last column that has a name."""
    for number, row in enumerate(rows[above + 1 :], start=above + 2):
        yield from ((number, column + 1) for column in range(width, len(row)) if row[column].strip())


def _merged(facts: Facts, n_rows: int, width: int) -> list[str]:
    """The merged ranges that reach into the table: of each only the first cell has the value."""
    found = []
    for name in facts.merged:
        row, column = place_of(name.partition(":")[0])
        found += [name] * (row <= n_rows and column <= width)
    return found


def _problems(path: Path, sheet: _Sheet, wrong: _Wrong, merged: Sequence[str]) -> list[Problem]:
    said = {
        "cells hold an error": (wrong.errors, "correct the formula, or leave the cell empty where it is unknown"),
        "cells hold a formula that was never calculated": (wrong.uncalculated, "open the file in Excel and save it"),
        "cells hold something right of the last column name": (wrong.beyond, "give each column a name, or empty them"),
        "ranges are merged cells, of which only the first holds the value": (
            merged,
            "unmerge them and fill every cell",
        ),
    }
    place = f"sheet {sheet.name!r}, cell"
    return [
        Problem(
            f"{len(cells)} {what} ({listing(cells)})", remedy, file=path.name, where=f"{place} {cells[0].split()[0]}"
        )
        for what, (cells, remedy) in said.items()
        if cells
    ]


def _remark_hidden(path: Path, sheet: _Sheet) -> None:
    if sheet.facts.n_hidden:
        what = f"{sheet.facts.n_hidden} rows are hidden, perhaps by a filter, and are read like the others"
        remark(
            warning(what, "delete those that do not belong to the table", file=path.name, where=f"sheet {sheet.name!r}")
        )


def _name(row: int, column: int) -> str:
    """A cell's name, such as AB12."""
    letters = ""
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return f"{letters}{row}"
