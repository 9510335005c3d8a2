"""Tables of decimal commas: each number is handed on with a point.

A cell alone does not tell: `1,234` is 1.234 in one country and 1234 in another, `1.234` the other way round. So a table
has decimal commas where a cell says it that can be nothing else: `0,15`, `12,5`, `1.234,5`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modalities.core.files.remarks import remark
from modalities.core.files.tables.splitting import Lines
from modalities.core.problems import Problem, check, note

_GROUPED = r"[1-9]\d{0,2}(?:(?P<group>[. \u00a0\u202f'’])\d{3})(?:(?P=group)\d{3})*"  # noqa: RUF001
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_COMMA = re.compile(rf"[+-]?(?:\d+|{_GROUPED}),\d+{_EXPONENT}")
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""A decimal comma, or thousands."""
_POINT = re.compile(rf"[+-]?\d*\.\d+{_EXPONENT}")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
"""Thousands, or a decimal point."""
_NUMBERLIKE = re.compile(r"[+-]?[\d.,' \u00a0\u202f’]*(?:[eE][+-]?\d+)?")  # noqa: RUF001
_REMEDY = "format the numbers of the column without thousands separators and export the table again"


def with_points(path: Path, rows: Sequence[list[str]], n_header: int) -> Sequence[list[str]]:
    """The rows, the numbers below the header with decimal points; as they are where none has a decimal comma.

    Raises:
        ValueError: a column of such a table holds numbers that may be thousands or have a decimal point.
    """
    commas = (found for found in _holding(rows, ",", n_header) if _COMMA.fullmatch(found.text))
    sure = next((found for found in commas if _is_sure(found.text)), None)
    if sure is None:
        return rows
    with_point, either = _columns_with_points(rows, n_header)
    with_comma: set[int] = set()
    if with_point or either:
        found = _holding(rows, ",", n_header)
        with_comma = {cell.column for cell in found if _COMMA.fullmatch(cell.text) and _is_sure(cell.text)}
    undecided = {column: cell for column, cell in either.items() if column in with_comma or column not in with_point}
    check(_ambiguous(path, (rows[number] for number in range(n_header, len(rows))), undecided))
    what = f"decimal commas: {sure.text} in line {sure.line} is read as {_pointed(sure.text)}"
    remark(note(what, file=path.name))

    def change(row: list[str]) -> list[str]:
        cells = enumerate(row)
        return [_converted(cell, not with_point or at in with_comma) if "," in cell else cell for at, cell in cells]

    if isinstance(rows, Lines):
        return rows.changed(change, n_header)
    return [*rows[:n_header], *map(change, rows[n_header:])]


@dataclass(frozen=True)
class _Cell:
    line: int
    column: int
    text: str


def _is_sure(number: str) -> bool:
    return not _EITHER.fullmatch(number)


def _holding(rows: Sequence[list[str]], sign: str, n_header: int) -> Iterator[_Cell]:
    """The cells below the header that hold the sign, stripped."""
    for number, row in rows.holding(sign) if isinstance(rows, Lines) else enumerate(rows):
        if number >= n_header:
            for column, cell in enumerate(row):
                if sign in cell:
                    yield _Cell(number + 1, column, cell.strip())


def _columns_with_points(rows: Sequence[list[str]], n_header: int) -> tuple[set[int], dict[int, _Cell]]:
    """The columns that surely have decimal points; and those with cells that may be thousands, with the first one."""
    sure: set[int] = set()
    either: dict[int, _Cell] = {}
    for found in _holding(rows, ".", n_header):
        if _THOUSANDS.fullmatch(found.text):
            either.setdefault(found.column, found)
        elif _POINT.fullmatch(found.text):
            sure.add(found.column)
    return sure, either


def _ambiguous(path: Path, body: Iterable[list[str]], either: Mapping[int, _Cell]) -> list[Problem]:
    """A problem for each of the columns that hold numbers; in one of names and codes nothing is to be decided."""
    words = {column for row in body for column in either if not _NUMBERLIKE.fullmatch(row[column].strip())}
    return [
        Problem(
            f"{cell.text!r} may be {cell.text.replace('.', '')} or have a decimal point: the table has decimal commas",
            _REMEDY,
            file=path.name,
            where=f"line {cell.line}, column {column + 1}",
        )
        for column, cell in either.items()
        if column not in words
    ]


def _converted(cell: str, is_decimal: bool) -> str:
    """The cell with a point; one that may be thousands only where the table or its column says that it is not."""
    text = cell.strip()
    return _pointed(text) if _COMMA.fullmatch(text) and (is_decimal or _is_sure(text)) else cell


def _pointed(number: str) -> str:
    whole, _, part = number.partition(",")
    return re.sub(r"[. \u00a0\u202f'’]", "", whole) + "." + part  # noqa: RUF001
