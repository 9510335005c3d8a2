"""A format as spreadsheet programs save it: with semicolons, tabs, decimal commas, as ANSI, UTF-16 or a workbook."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import openpyxl

from tests.fuzz.format import Format
from tests.fuzz.rows import rows_in

_NUMBER = re.compile(r"-?\d+\.\d+")
WAYS = {
    "semicolons, decimal commas, ANSI": (";", ",", "cp1252"),
    "tabs, UTF-16": ("\t", ".", "utf-16"),
    "workbook": ("", "", ""),
}


def as_saved(base: Format, way: str) -> Format:
    """The format's example in this way of writing; the name of the file stays, but for a workbook's."""
    delimiter, decimal, encoding = WAYS[way]

    def write(folder: Path) -> Path:
        path = base.write(folder)
        rows = rows_in(path)
        if not delimiter:
            return _as_workbook(path, rows)
        text = io.StringIO()
        cells = [[cell.replace(".", decimal) if _NUMBER.fullmatch(cell) else cell for cell in row] for row in rows]
        csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(cells)
        path.write_bytes(text.getvalue().encode(encoding))
        return path

    return replace(base, write=write, delimiter=delimiter or None, encoding=encoding or "utf-8")


def _as_workbook(path: Path, rows: list[list[str]]) -> Path:
    """In its place; a site.yaml beside it names it."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append([float(cell) if _NUMBER.fullmatch(cell) else cell or None for cell in row])
    path.unlink()
    book.save(path.with_suffix(".xlsx"))
    site = path.with_name("site.yaml")
    if site.is_file():
        site.write_text(site.read_text() + f"cases: {path.stem}.xlsx\n")
    return path.with_suffix(".xlsx")
