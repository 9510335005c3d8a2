"""Text as rows of cells: the delimiter is the one that header and rows agree on."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from modalities.core.problems import ProblemsError, unusable

NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "vertical bar"}
_SAID = re.compile(r'"?sep=(.)"?\n', re.IGNORECASE)
"""A line above the header by which spreadsheet programs say the delimiter, and which they do not show."""
_RIVALS = 0.5
"""A delimiter that fits this share of the rows might be meant."""
_CUT_OFF = "the file is cut off or damaged: export it again"
_ONE_COLUMN = (
    "export it with one of these between the columns (in a spreadsheet program: Save as, CSV); the header must be the "
    "first line"
)
_MOST_SHOWN = 60


class Lines(Sequence[list[str]]):
    """Rows that are split when asked for: as Python strings, a matrix of the whole genome would take gigabytes."""

    def __init__(self, lines: list[str], delimiter: str, change: "Change | None" = None, n_kept: int = 0) -> None:
        self._lines, self._delimiter, self._change, self._n_kept = lines, delimiter, change, n_kept

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, place: int) -> list[str]: ...
    @overload
    def __getitem__(self, place: slice) -> "Lines": ...
    def __getitem__(self, place: int | slice) -> "list[str] | Lines":
        if isinstance(place, slice):
            n_kept = max(0, self._n_kept - place.indices(len(self))[0])
            return Lines(self._lines[place], self._delimiter, self._change, n_kept)
        row = self._lines[place].split(self._delimiter)
        number = place if place >= 0 else len(self) + place
        return self._change(row) if self._change and number >= self._n_kept else row

    def changed(self, change: "Change", n_kept: int) -> "Lines":
        """The same rows, all but the first `n_kept` changed when they are asked for."""
        return Lines(self._lines, self._delimiter, change, n_kept)

    def without_last(self, n_cells: int, n_kept: int) -> "Lines":
        """The same rows, all but the first `n_kept` without their last cells."""
        cut = (line.rsplit(self._delimiter, n_cells)[0] for line in self._lines[n_kept:])
        return Lines([*self._lines[:n_kept], *cut], self._delimiter)

    def holding(self, sign: str) -> Iterator[tuple[int, list[str]]]:
        """Number and cells of the rows that hold the sign; the others are not split."""
        return ((number, self[number]) for number, line in enumerate(self._lines) if sign in line)


Change = Callable[[list[str]], list[str]]


@dataclass(frozen=True)
class Split:
    """The text, split at one delimiter; lines of empty cells at its end are no rows."""

    delimiter: str
    rows: Sequence[list[str]]
    n_above: int
    """Comments above the header."""
    widths: Sequence[int]
    """Of each row."""

    @cached_property
    def share(self) -> float:
        """How many of the rows are as wide as the header."""
        width, *others = self.widths[self.n_above :]
        return sum(other == width for other in others) / len(others) if others else 1.0

    @property
    def width(self) -> int:
        """Of the header."""
        return self.widths[self.n_above]


def split(path: Path, text: str, delimiter: str, comment: str) -> Split:
    """The text's rows, split at the delimiter or, without one, at the one that header and rows agree on.

    Raises:
        ValueError: a quote is left open, no delimiter stands in the header, or two might be meant.
    """
    said = _SAID.match(text)
    if said:
        delimiter, text = delimiter or said[1], text[said.end() :]
    candidates = [delimiter] if delimiter else _in_header(path, text, comment)
    splits, failed = [], []
    for candidate in candidates:
        try:
            splits.append(_split(path, text, candidate, comment))
        except ProblemsError as error:
            failed.append(error)
    best = max(splits, key=lambda found: (found.share, found.width), default=None)
    if best is None or (failed and best.share < 1):
        raise failed[0]
    rivals = [found for found in splits if found.share >= _RIVALS]
    return _without_blank_columns(_told_by_ending(path, rivals) if len(rivals) > 1 else best)


def _told_by_ending(path: Path, rivals: Sequence[Split]) -> Split:
    """The split at tabs of a .tsv; nothing else tells which delimiter is meant."""
    for found in rivals:
        if found.delimiter == "\t" and found.share == 1 and path.name.lower().removesuffix(".gz").endswith(".tsv"):
            return found
    each = " or ".join(f"{NAMES[found.delimiter]} ({found.width} columns)" for found in rivals)
    remedy = f"say it in a line above the header, such as sep={rivals[0].delimiter}, or export it with tabs as .tsv"
    raise unusable(f"the columns may be split at every {each}", remedy, file=path.name, where="line 1")


def _without_blank_columns(found: Split) -> Split:
    """Without the columns on the right that have neither a name nor a value: spreadsheets write what was once used."""
    header = found.rows[found.n_above]
    n_blank = len(header) - next((n for n in range(len(header), 0, -1) if header[n - 1].strip()), 0)
    if not n_blank or n_blank > len(header) - 2 or found.share < 1:
        return found
    table = found.rows[found.n_above :]
    if any(cell.strip() for row in table for cell in row[-n_blank:]):
        return found
    if isinstance(found.rows, Lines):
        rows: Sequence[list[str]] = found.rows.without_last(n_blank, found.n_above)
    else:
        rows = [*found.rows[: found.n_above], *(row[:-n_blank] for row in table)]
    widths = [*found.widths[: found.n_above], *(width - n_blank for width in found.widths[found.n_above :])]
    return Split(found.delimiter, rows, found.n_above, widths)


def _in_header(path: Path, text: str, comment: str) -> list[str]:
    """The delimiters that split the header.

    Raises:
        ValueError: none does.
    """
    has_quotes = '"' in text
    number, header = _header_line(text, comment)
    if comment and header.startswith(comment):
        raise unusable("no header in the file", "export it again", file=path.name)
    found = []
    for delimiter in (sign for sign in NAMES if sign in (text if has_quotes else header)):
        try:
            rows = _reader(text, delimiter) if has_quotes else [header.split(delimiter)]
            is_split = len(next((row for row in rows if not _is_comment(row, comment)), [])) > 1
        except csv.Error:
            is_split = True  # what is wrong with it is said when all of it is split
        found += [delimiter] * is_split
    if not found:
        shown = header[:_MOST_SHOWN] + "..." * (len(header) > _MOST_SHOWN)
        what = f"only one column: line {number} has no {', '.join(NAMES.values())} between cells ({shown!r})"
        raise unusable(what, _ONE_COLUMN, file=path.name, where=f"line {number}")
    return found


def _header_line(text: str, comment: str) -> tuple[int, str]:
    """The number and text of the first line that is no comment."""
    begin, number = 0, 1
    while True:
        end = text.find("\n", begin)
        line = text[begin : end if end >= 0 else len(text)]
        if end < 0 or not comment or not line.startswith(comment):
            return number, line
        begin, number = end + 1, number + 1


def _split(path: Path, text: str, delimiter: str, comment: str) -> Split:
    rows: Sequence[list[str]]
    if '"' in text:
        rows = _unquoted(path, text, delimiter)
        widths = [len(row) for row in rows]
        n_rows = next((n for n in range(len(rows), 0, -1) if any(rows[n - 1])), 0)
    else:
        lines = text.split("\n")
        rows, widths = Lines(lines, delimiter), [line.count(delimiter) + 1 for line in lines]
        n_rows = next((n for n in range(len(lines), 0, -1) if lines[n - 1].strip(delimiter)), 0)
    if not n_rows:
        raise unusable("the file is empty", "export it again", file=path.name)
    above = n_comments(rows[:n_rows], comment)
    if above == n_rows:
        raise unusable("no header in the file", "export it again", file=path.name)
    return Split(delimiter, rows[:n_rows], above, widths[:n_rows])


def n_comments(rows: Sequence[Sequence[str]], comment: str) -> int:
    """How many lines above the header start with the comment's sign."""
    return next((n for n, row in enumerate(rows) if not _is_comment(row, comment)), len(rows))


def _is_comment(row: Sequence[str], comment: str) -> bool:
    return bool(comment and row and row[0].startswith(comment))


def _reader(text: str, delimiter: str) -> Any:
    return csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)


def _unquoted(path: Path, text: str, delimiter: str) -> list[list[str]]:
    reader = _reader(text, delimiter)
    try:
        return list(reader)
    except csv.Error as error:
        where = f"line {reader.line_num}"
        what = f"a quote that is opened in {where} or before is not closed at the end of its field"
        raise unusable(what, _CUT_OFF, file=path.name, where=where) from error
