"""A workbook that would end the process, or lose a row, is refused before it is read."""

import io
import zipfile

import pytest

from modalities.core.files.tables import workbook_parts
from modalities.core.files.tables.delimited import rows_of
from modalities.core.files.tables.workbook_parts import facts_of
from tests.modalities.core.files.tables.workbooks import changed, with_rows, with_strings, write_book

SHEET = "xl/worksheets/sheet1.xml"
HEADER = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c><c r="B1" t="inlineStr"><is><t>b</t></is></c></row>'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.xlsx"


def refused(path):
    with pytest.raises(ValueError, match=r"^t\.xlsx: ") as error:
        rows_of(path)
    return str(error.value)


def test_thousandfold_packed_nothing_is_refused_unread(path):
    write_book(path, [["a", "b"]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/media/image1.png", "w") as file:
        for _ in range(301):
            file.write(bytes(10**6))
    assert path.stat().st_size < 10**6
    assert "the workbook is too large: more than 300 MB unpacked; export the sheet as CSV" in refused(path)


def test_cells_that_stand_far_apart_count_with_what_lies_between(path):
    rows = "".join(f'<row r="{row}"><c r="XFD{row}"><v>1</v></c></row>' for row in range(2, 400))
    with_rows(path, HEADER + rows)  # 398 cells, 398 * 16384 places
    assert "too large: more than 5,000,000 cells" in refused(path)


def test_texts_are_counted_wherever_they_stand(path, monkeypatch):
    monkeypatch.setattr(workbook_parts, "MOST_CELLS", 20)
    with_strings(write_book(path, [["a", "b"], ["p", 1]]), [""] * 81)
    assert "too large: more than 20 cells" in refused(path)


@pytest.mark.parametrize(("part", "end"), [("xl/styles.xml", "</styleSheet>"), (SHEET, "</worksheet>")])
def test_a_million_of_anything_else_is_refused(path, part, end):
    write_book(path, [["a", "b"], ["p", 1]])
    changed(path, part, lambda xml: xml.replace(end, "<xf/>" * 500_001 + end))
    assert "too large: more than 500,000 formats, merged cells and the like" in refused(path)


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="3"><c r="A3"><v>1</v></c></row><row r="2"><c r="A2"><v>2</v></c></row>',  # openpyxl drops row 2
        '<row r="2"><c r="B2"><v>1</v></c><c r="A2"><v>2</v></c></row>',  # and B2
        '<row r="2"><c r="A3"><v>1</v></c></row>',
        '<row r="2"><c r="A2"><v>1</v></c><c r="A2"><v>2</v></c></row>',
        '<row r="1048577"><c r="A1048577"><v>1</v></c></row>',
        '<row r="2"><c r="XFE2"><v>1</v></c></row>',
        '<row r="2"><c r="a2"><v>1</v></c></row>',
        '<row r="two"><c><v>1</v></c></row>',
    ],
)
def test_rows_and_cells_out_of_place_are_damage(path, rows):
    with_rows(path, HEADER + rows)
    assert "no readable Excel workbook: damaged or cut off" in refused(path)


def test_rows_and_cells_without_a_place_follow_each_other(path):
    cell = '<c t="inlineStr"><is><t>{}</t></is></c>'
    with_rows(path, "".join(f"<row>{cell.format(a)}{cell.format(b)}</row>" for a, b in ("ab", "12", "34")))
    assert rows_of(path) == [["a", "b"], ["1", "2"], ["3", "4"]]


def test_size_that_the_file_claims_is_not_believed(path):
    write_book(path, [["a", "b"], ["p", 1]])
    changed(path, SHEET, lambda xml: xml.replace('ref="A1:B2"', 'ref="A1:XFD1048576"'))
    assert rows_of(path) == [["a", "b"], ["p", "1"]]


def test_entities_are_refused(path):
    write_book(path, [["a", "b"], ["p", 1]])
    entities = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    changed(path, "xl/workbook.xml", lambda xml: entities + xml[xml.find("<workbook") :])
    assert "no readable Excel workbook" in refused(path)


def test_facts_tell_what_a_reader_of_cells_overlooks(path):
    rows = '<row r="2" hidden="1"><c r="A2"><f>1+1</f><v>2</v></c></row><row r="4"><c r="C4"><f>A2</f></c></row>'
    with_rows(path, HEADER + rows)
    facts = facts_of(path, path.read_bytes())[SHEET]
    assert (facts.is_empty, facts.n_hidden, facts.formulas) == (False, 1, {(2, 1), (4, 3)})


def test_part_that_holds_more_than_it_says_yields_no_more(path):
    write_book(path, [["a", "b"], ["p", 1]])
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo(SHEET).file_size
    for at in (at for at in range(len(raw)) if raw[at : at + 4] == size.to_bytes(4, "little")):
        raw[at : at + 4] = (size // 2).to_bytes(4, "little")
    path.write_bytes(raw)
    assert zipfile.ZipFile(io.BytesIO(raw)).getinfo(SHEET).file_size == size // 2
    assert "no readable Excel workbook" in refused(path)
