"""Excel workbooks for tests, some of which no spreadsheet program would write."""

import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl


def write_book(path: Path, rows: Sequence[Sequence[Any]], **others: Sequence[Sequence[Any]]) -> Path:
    """The rows as the first sheet, called Cases, then the other sheets."""
    book = openpyxl.Workbook()
    book.active.title = "Cases"
    for row in rows:
        book.active.append(row)
    for name, more in others.items():
        sheet = book.create_sheet(name)
        for row in more:
            sheet.append(row)
    book.save(path)
    return path


def changed(path: Path, part: str, change: Callable[[str], str]) -> Path:
    """The workbook with one part of it rewritten, or added."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents[part] = change(contents.get(part, b"").decode()).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def with_strings(path: Path, strings: Sequence[str]) -> Path:
    """The workbook with a table of texts, to which cells of the type `s` point, as Excel writes it."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/>'
    changed(path, "[Content_Types].xml", lambda xml: xml.replace("</Types>", f"{override}</Types>"))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    table = f'<sst xmlns="{main}">{"".join(f"<si>{text}</si>" for text in strings)}</sst>'
    return changed(path, "xl/sharedStrings.xml", lambda _: table)


def with_rows(path: Path, rows: str) -> Path:
    """The workbook with these rows, in XML, as its first sheet."""
    write_book(path, [["case_id", "a"]])
    sheet = "xl/worksheets/sheet1.xml"
    return changed(path, sheet, lambda xml: re.sub(r"<sheetData>.*</sheetData>", f"<sheetData>{rows}</sheetData>", xml))
