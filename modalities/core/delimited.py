"""Reads delimited text strictly: a row too short, a wrong delimiter or a broken encoding is an error, never a guess."""

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", ".")
"""What every table may write for a value that is not there."""
_MOST_NAMED = 10


def rows_of(path: Path, delimiter: str, comment: str = "") -> list[list[str]]:
    """The file's rows as text, header first; gzip is unpacked.

    With `comment`, lines that start with it may stand above the header; they are given too, whatever their width.

    Raises:
        ValueError: the file is empty, is not UTF-8 text, holds one column only, repeats a column name, leaves a quote
            open, or has rows with another number of fields than the header, blank lines but the last included (with
            their line numbers).
    """
    text = _decoded(path).replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    if not text.strip():
        raise ValueError(f"{path.name}: the file is empty; export it again")
    rows = _unquoted(path, text, delimiter) if '"' in text else [line.split(delimiter) for line in text.split("\n")]
    while rows and not any(rows[-1]):
        rows.pop()
    above = n_comments(rows, comment)
    if above == len(rows):
        raise ValueError(f"{path.name}: no header in the file; export it again")
    _refuse_ragged(path, rows[above:], delimiter, first_line=above + 1)
    return rows


def n_comments(rows: Sequence[Sequence[str]], comment: str) -> int:
    """How many lines above the header start with the comment's sign."""
    if not comment:
        return 0
    return next((n for n, row in enumerate(rows) if not row or not row[0].startswith(comment)), len(rows))


def delimiter_of(path: Path) -> str:
    """Comma for `.csv` and `.csv.gz`, tab for anything else."""
    return "," if path.name.lower().removesuffix(".gz").endswith(".csv") else "\t"


def numbers(path: Path, rows: Sequence[Sequence[Any]], names: Sequence[str], first_line: int) -> np.ndarray:
    """Cells, text or numbers, as float32 [row, column], NaN where missing.

    Raises:
        ValueError: a cell is no number, with its line and column name; the first ten are named.
    """
    cells = np.array(rows, dtype=object)
    with np.errstate(over="ignore"):  # too large for float32: infinite, and refused below
        values = pd.to_numeric(cells.ravel(), errors="coerce").reshape(cells.shape).astype(np.float32)
    unread = np.argwhere(~np.isfinite(values))
    wrong = [(row, column) for row, column in unread if str(cells[row, column]).strip() not in MISSING]
    if wrong:
        named = [f"line {row + first_line}, column {names[column]!r}: {cells[row, column]!r}" for row, column in wrong]
        raise ValueError(
            f"{path.name}: {len(wrong)} cells are no finite number ({listing(named)}); "
            "correct them or leave them empty where the value is unknown"
        )
    return values


def refuse_repeated(path: Path, names: Iterable[str], what: str, remedy: str) -> None:
    """Raise a ValueError that names what stands more than once."""
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(f"{path.name}: {what} listed more than once: {listing(repeated)}; {remedy}")


def listing(items: Sequence[str]) -> str:
    """The first ten items and how many more there are."""
    more = len(items) - _MOST_NAMED
    return ", ".join(items[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _decoded(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"{path}: no such file; correct the path in site.yaml")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path.name}: cannot be read ({error.strerror}); give this user the right to read it"
        ) from None
    try:
        raw = gzip.decompress(raw) if path.suffix.lower() == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path.name}: the gzip file is damaged or cut off; copy it again") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ValueError(f"{path.name}: line {line} is not UTF-8 text; save the file as UTF-8") from None


def _unquoted(path: Path, text: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        return list(reader)
    except csv.Error as error:
        raise ValueError(
            f"{path.name}: a quote that is opened in line {reader.line_num} or before is not closed at the end of its "
            "field; the file is cut off or damaged: export it again"
        ) from error


def _refuse_ragged(path: Path, rows: Sequence[Sequence[str]], delimiter: str, first_line: int) -> None:
    name = {"\t": "tab", ",": "comma"}.get(delimiter, delimiter)
    width = len(rows[0])
    if width == 1:
        raise ValueError(
            f"{path.name}: only one column when split at every {name}; is that the delimiter of this file?"
        )
    ragged = [f"line {line} has {len(row)}" for line, row in enumerate(rows, start=first_line) if len(row) != width]
    if ragged:
        raise ValueError(
            f"{path.name}: the header has {width} fields, but {listing(ragged)}; "
            "the file is cut off or damaged: export it again"
        )
    refuse_repeated(path, rows[0], "columns", "give each column a name of its own")
