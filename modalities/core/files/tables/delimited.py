"""Reads tables strictly: a row too short, two possible delimiters or a broken encoding is an error, never a guess."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modalities.core.files.tables.decimals import with_points
from modalities.core.files.tables.decoding import text_of
from modalities.core.files.tables.splitting import NAMES, n_comments, split
from modalities.core.files.tables.workbook import cells_of, is_workbook
from modalities.core.problems import listing, unusable

__all__ = [
    "MISSING",
    "delimiter_of",
    "listing",
    "n_comments",
    "numbers",
    "refuse_any",
    "refuse_repeated",
    "rows_of",
    "table_of",
]

MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", ".")
"""What every table may write for a value that is not there."""
_BLOCK_ROWS = 256
_EXPORT = "export it again"
_CUT_OFF = "the file is cut off or damaged: export it again"
_FOOTER = "; or delete what stands below the table, such as a count of its rows"
_NO_THOUSANDS = "write them with a decimal point and without thousands separators"


def rows_of(
    path: Path, delimiter: str = "", comment: str = "", sheet: str = "", *, may_repeat: bool = False
) -> list[list[str]]:
    """The table's rows as text, header first; gzip is unpacked, and decimal commas are handed on as points.

    Without a delimiter, it is the one of tab, comma, semicolon and vertical bar that header and rows agree on. Of an
    Excel workbook the `sheet` is read, or the first one. With `comment`, lines that start with it may stand above the
    header; they are given too, whatever their width. Columns of one name are refused, unless they `may_repeat`.

    Raises:
        ValueError: the file is empty, is no text, holds one column only, may be split at two delimiters, repeats a
            column name, leaves a quote open, has numbers of which nobody can say what they are, or has rows with
            another number of fields than the header, blank lines but the last included (with their line numbers).
    """
    return list(table_of(path, delimiter, comment, sheet, may_repeat=may_repeat))


def table_of(
    path: Path, delimiter: str = "", comment: str = "", sheet: str = "", *, may_repeat: bool = False
) -> Sequence[list[str]]:
    """What `rows_of` gives, and refuses, for large files: a row becomes text fields when it is looked at."""
    if is_workbook(path):
        cells = cells_of(path, sheet, comment)
        if not may_repeat:
            _refuse_repeated_columns(path, cells[n_comments(cells, comment)])
        return cells
    text = text_of(path).replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    if not text.strip():
        raise unusable("the file is empty", _EXPORT, file=path.name)
    found = split(path, text, delimiter, comment)
    rows, above = found.rows, found.n_above
    _refuse_ragged(path, rows[above], found.widths[above:], found.delimiter, first_line=above + 1)
    if not may_repeat:
        _refuse_repeated_columns(path, rows[above])
    return with_points(path, rows, n_header=above + 1)


def delimiter_of(path: Path) -> str:
    """What a table of this name is written with: commas for `.csv` and `.csv.gz`, tabs for anything else."""
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
        remedy += f"; {_NO_THOUSANDS}" * any("," in value for value in values_at)
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


def _refuse_ragged(path: Path, header: Sequence[str], widths: Sequence[int], delimiter: str, first_line: int) -> None:
    if len(header) == 1:
        name = NAMES.get(delimiter, delimiter)
        what, remedy = f"only one column when split at every {name}", f"export it with a {name} between the columns"
        raise unusable(what, remedy, file=path.name)
    ragged = {f"line {line}": n for line, n in enumerate(widths, start=first_line) if n != len(header)}
    if len(ragged) > 1 and set(widths[1:]) == {len(header) + 1}:  # as R's write.table, whose row names have no header
        what = f"every line has {len(header) + 1} fields, and the header {len(header)}"
        raise unusable(what, "if R wrote it, write it again with row.names = FALSE", file=path.name)
    if ragged:
        said = listing([f"{line} has {n}" for line, n in ragged.items()])
        what = f"the header has {len(header)} fields, but {said}"
        is_below = widths[-1] == 1 and all(width == 1 for width in widths[-len(ragged) :])
        raise unusable(what, _CUT_OFF + _FOOTER * is_below, file=path.name, where=next(iter(ragged)))


def _refuse_repeated_columns(path: Path, header: Sequence[str]) -> None:
    blank = [str(column) for column, name in enumerate(header, start=1) if not name.strip()]
    if len(blank) > 1:
        remedy = "name those that hold something, and delete the others"
        raise unusable(f"columns {listing(blank)} have no name", remedy, file=path.name)
    refuse_repeated(path, header, "columns", "give each column a name of its own")
