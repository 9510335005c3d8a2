"""The rows of a table, counted without the code under test."""

import csv
import gzip
import io
import re
import zipfile
from itertools import dropwhile
from pathlib import Path
from xml.etree import ElementTree

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def rows_in(path: Path, comment: str = "#") -> list[list[str]]:
    """The rows, comments above the header too; trailing ones without a word are none."""
    if path.suffix == ".xlsx":
        return _rows_of_sheet(path)
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = re.sub(r"\r\n?", "\n", _text_of(raw))
    fitting = [rows for sign in "\t,;|" if _is_even(rows := _rows_of(text, sign), comment)]
    assert len(fitting) == 1, "what may be split in two ways must not be read"
    return _without_blank_columns(fitting[0])


def _text_of(raw: bytes) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252")


def _rows_of(text: str, delimiter: str) -> list[list[str]]:
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    return _without_blanks(rows)


def _without_blanks(rows: list[list[str]]) -> list[list[str]]:
    while rows and not any(rows[-1]):
        rows.pop()
    return rows


def _without_blank_columns(rows: list[list[str]]) -> list[list[str]]:
    """Without those on the right that have neither a name nor a value: nothing is lost with them."""
    table = list(dropwhile(lambda row: row[0].startswith("#"), rows))
    while len(table[0]) > 2 and not any(row[-1].strip() for row in table):
        for row in table:
            row.pop()
    return rows


def _rows_of_sheet(path: Path) -> list[list[str]]:
    """The texts of each row of the first sheet as it stands in the file, blank cells left out."""
    with zipfile.ZipFile(path) as archive:
        rows = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml")).iter(f"{_MAIN}row")
        return _without_blanks([[text for text in _texts_of(row) if text.strip()] for row in rows])


def _texts_of(row: ElementTree.Element) -> list[str]:
    return ["".join(part.text or "" for part in cell.iter() if part.tag[len(_MAIN) :] in ("v", "t")) for cell in row]


def _is_even(rows: list[list[str]], comment: str) -> bool:
    """Whether all rows have as many cells, two or more, comments above the header aside."""
    widths = [len(row) for row in dropwhile(lambda row: row and row[0].startswith(comment), rows)]
    return len(set(widths)) == 1 and widths[0] > 1
