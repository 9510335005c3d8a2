"""The same table as spreadsheet programs save it, in four ways."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl

Rows = Sequence[Sequence[Any]]


def as_text(ending: str, delimiter: str, decimal: str, encoding: str) -> Callable[[Path, Rows], Path]:
    """Writes rows of texts, numbers and blanks as text; the ending is added to the path."""

    def write(path: Path, rows: Rows) -> Path:
        text = io.StringIO()
        cells = [["" if cell is None else _shown(cell, decimal) for cell in row] for row in rows]
        csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(cells)
        path = path.with_name(path.name + ending)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.getvalue().encode(encoding))
        return path

    return write


def as_workbook(path: Path, rows: Rows) -> Path:
    """Writes them as the first of two sheets."""
    book = openpyxl.Workbook()
    book.active.title = "Read me"
    book.active.append(["Export of the ward"])
    sheet = book.create_sheet("Data", 0)
    for row in rows:
        sheet.append(row)
    path = path.with_name(path.name + ".xlsx")
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def _shown(cell: Any, decimal: str) -> str:
    return repr(cell).replace(".", decimal) if isinstance(cell, float) else str(cell)


WAYS: dict[str, Callable[[Path, Rows], Path]] = {
    "commas, UTF-8": as_text(".csv", ",", ".", "utf-8"),
    "semicolons, decimal commas, Windows-1252": as_text(".csv", ";", ",", "cp1252"),
    "tabs, UTF-16": as_text(".txt", "\t", ".", "utf-16"),
    "tabs, decimal commas, UTF-8 with its mark": as_text(".tsv", "\t", ",", "utf-8-sig"),
    "Excel": as_workbook,
}
