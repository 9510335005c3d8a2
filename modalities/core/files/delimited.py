"""Reads delimited text strictly: a row too short, a wrong delimiter or a broken encoding is an error, never a guess."""

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd

from modalities.core.problems import unusable

MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", ".")
"""What every table may write for a value that is not there."""
_MOST_NAMED = 10
_BLOCK_ROWS = 256
_EXPORT = "export it again"
_CUT_OFF = "the file is cut off or damaged: export it again"


class _Lines(Sequence[list[str]]):
    """Rows that are split when asked for: as Python strings, a matrix of the whole genome would take gigabytes."""

    def __init__(self, lines: list[str], delimiter: str) -> None:
        self._lines, self._delimiter = lines, delimiter

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, place: int) -> list[str]: ...
    @overload
    def __getitem__(self, place: slice) -> "_Lines": ...
    def __getitem__(self, place: int | slice) -> "list[str] | _Lines":
        if isinstance(place, slice):
            return _Lines(self._lines[place], self._delimiter)
        return self._lines[place].split(self._delimiter)


def rows_of(path: Path, delimiter: str, comment: str = "") -> list[list[str]]:
    """The file's rows as text, header first; gzip is unpacked.

    With `comment`, lines that start with it may stand above the header; they are given too, whatever their width.

    Raises:
        ValueError: the file is empty, is not UTF-8 text, holds one column only, repeats a column name, leaves a quote
            open, or has rows with another number of fields than the header, blank lines but the last included (with
            their line numbers).
    """
    return list(table_of(path, delimiter, comment))


def table_of(path: Path, delimiter: str, comment: str = "") -> Sequence[list[str]]:
    """What `rows_of` gives, and refuses, for large files: a row becomes text fields when it is looked at."""
    text = _decoded(path).replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    if '"' in text:
        rows: Sequence[list[str]] = _unquoted(path, text, delimiter)
        widths = [len(row) for row in rows]
        n_rows = next((n for n in range(len(rows), 0, -1) if any(rows[n - 1])), 0)
    else:
        lines = text.split("\n")
        rows, widths = _Lines(lines, delimiter), [line.count(delimiter) + 1 for line in lines]
        n_rows = next((n for n in range(len(lines), 0, -1) if lines[n - 1].strip(delimiter)), 0)
    if not n_rows or not text.strip():
        raise unusable("the file is empty", _EXPORT, file=path.name)
    rows = rows[:n_rows]
    above = n_comments(rows, comment)
    if above == n_rows:
        raise unusable("no header in the file", _EXPORT, file=path.name)
    _refuse_ragged(path, rows[above], widths[above:n_rows], delimiter, first_line=above + 1)
    return rows


def n_comments(rows: Sequence[Sequence[str]], comment: str) -> int:
    """How many lines above the header start with the comment's sign."""
    if not comment:
        return 0
    return next((n for n, row in enumerate(rows) if not row or not row[0].startswith(comment)), len(rows))


def delimiter_of(path: Path) -> str:
    """Comma for `.csv` and `.csv.gz`, tab for anything else."""
    return "," if path.name.lower().removesuffix(".gz").endswith(".csv") else "\t"


def numbers(path: Path, rows: Iterable[Sequence[Any]], names: Sequence[str], first_line: int) -> np.ndarray:
    """Cells, text or numbers, as float32 [row, column], NaN where missing; rows are taken a block at a time.

    Raises:
        ValueError: a cell is no number, with its line and column name; the first ten are named.
    """
    blocks, wrong, values_at, line = [], [], [], first_line
    for cells in _blocks(rows):
        with np.errstate(over="ignore"):  # too large for float32: infinite, and refused below
            values = pd.to_numeric(cells.ravel(), errors="coerce").reshape(cells.shape).astype(np.float32)
        for row, column in np.argwhere(~np.isfinite(values)):
            if str(cells[row, column]).strip() not in MISSING:
                wrong.append(f"line {row + line}, column {names[column]!r}")
                values_at.append(f"{wrong[-1]}: {cells[row, column]!r}")
        blocks.append(values)
        line += len(cells)
    if wrong:
        what = f"{len(wrong)} cells are no finite number ({listing(values_at)})"
        remedy = "correct them or leave them empty where the value is unknown"
        raise unusable(what, remedy, file=path.name, where=wrong[0])
    return np.concatenate(blocks) if blocks else np.empty((0, len(names)), dtype=np.float32)


def _blocks(rows: Iterable[Sequence[Any]]) -> Iterator[np.ndarray]:
    remaining = iter(rows)
    while block := list(islice(remaining, _BLOCK_ROWS)):
        yield np.array(block, dtype=object)


def refuse_any(path: Path, wrong: Sequence[str], what: str, remedy: str = "", *, are_places: bool = False) -> None:
    """Raise a ValueError where anything is wrong; `{}` in `what` stands for the first ten of it, places perhaps."""
    if wrong:
        where = wrong[0] if are_places else ""
        raise unusable(what.replace("{}", listing(wrong)), remedy, file=path.name, where=where)


def refuse_repeated(path: Path, names: Iterable[str], what: str, remedy: str) -> None:
    """Raise a ValueError that names what stands more than once."""
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    refuse_any(path, repeated, f"{what} listed more than once: {{}}", remedy)


def listing(items: Sequence[str]) -> str:
    """The first ten items and how many more there are."""
    more = len(items) - _MOST_NAMED
    return ", ".join(items[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _decoded(path: Path) -> str:
    if not path.is_file():
        raise unusable("no such file", "correct the path in site.yaml", file=str(path))
    try:
        raw = path.read_bytes()
    except OSError as error:
        what, remedy = f"cannot be read ({error.strerror})", "give this user the right to read it"
        raise unusable(what, remedy, file=path.name) from None
    try:
        raw = gzip.decompress(raw) if path.suffix.lower() == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise unusable("the gzip file is damaged or cut off", "copy it again", file=path.name) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        where = f"line {line}"
        raise unusable(f"{where} is not UTF-8 text", "save the file as UTF-8", file=path.name, where=where) from None


def _unquoted(path: Path, text: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        return list(reader)
    except csv.Error as error:
        where = f"line {reader.line_num}"
        what = f"a quote that is opened in {where} or before is not closed at the end of its field"
        raise unusable(what, _CUT_OFF, file=path.name, where=where) from error


def _refuse_ragged(path: Path, header: Sequence[str], widths: Sequence[int], delimiter: str, first_line: int) -> None:
    name = {"\t": "tab", ",": "comma"}.get(delimiter, delimiter)
    if len(header) == 1:
        what = f"only one column when split at every {name}"
        raise unusable(what, "is that the delimiter of this file?", file=path.name)
    ragged = {f"line {line}": n for line, n in enumerate(widths, start=first_line) if n != len(header)}
    if ragged:
        said = listing([f"{line} has {n}" for line, n in ragged.items()])
        what = f"the header has {len(header)} fields, but {said}"
        raise unusable(what, _CUT_OFF, file=path.name, where=next(iter(ragged)))
    refuse_repeated(path, header, "columns", "give each column a name of its own")
