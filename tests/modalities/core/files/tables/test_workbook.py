"""A sheet of an Excel workbook is read as its CSV export would be."""

import datetime

import openpyxl
import pytest

from modalities.core.files.remarks import remarked
from modalities.core.files.tables.delimited import rows_of
from modalities.core.files.tables.header import header_of
from tests.modalities.core.files.tables.workbooks import changed, with_rows, with_strings, write_book

HEADER = ["case_id", "a"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.xlsx"


@pytest.mark.parametrize(
    ("value", "shown_as", "text"),
    [
        ("LumA", "General", "LumA"),
        (61, "General", "61"),
        (61.0, "General", "61"),
        (0.15, "General", "0.15"),
        (1 / 3, "0.00", "0.3333333333333333"),
        (-1234.5, "#,##0.00", "-1234.5"),
        (1e-5, "General", "1e-05"),
        (123, "00000", "00123"),
        (0.155, "0%", "15.5%"),
        (0.07, "0.00%", "7%"),
        (datetime.date(2024, 5, 31), "dd.mm.yyyy", "2024-05-31"),
        (datetime.datetime(2024, 5, 31, 14, 30), "General", "2024-05-31T14:30:00"),
        (datetime.time(14, 30), "General", "14:30:00"),
        (True, "General", "TRUE"),
        (None, "General", ""),
    ],
)
def test_cell_becomes_the_text_that_a_csv_would_hold(path, value, shown_as, text):
    book = openpyxl.Workbook()
    for row in (HEADER, ["p", value], ["q", "z"]):
        book.active.append(row)
    if shown_as != "General":
        book.active["B2"].number_format = shown_as
    book.save(path)
    assert rows_of(path) == [HEADER, ["p", text], ["q", "z"]]


def test_texts_are_found_in_the_table_of_texts(path):
    cells = '<row r="{0}"><c r="A{0}" t="s"><v>{1}</v></c><c r="B{0}" t="s"><v>{2}</v></c></row>'
    with_rows(path, cells.format(1, 0, 1) + cells.format(2, 2, 0))
    with_strings(path, ["<t>case_id</t>", "<r><t>Grö</t></r><r><rPr><b/></rPr><t>ße</t></r>", "<t>1,5</t>"])
    assert rows_of(path) == [["case_id", "Größe"], ["1.5", "case_id"]]


def test_formula_is_read_by_its_last_value_and_one_without_is_refused(path):
    cells = '<c r="A1" t="inlineStr"><is><t>case_id</t></is></c><c r="B1" t="inlineStr"><is><t>a</t></is></c>'
    row = '<row r="{0}"><c r="A{0}" t="inlineStr"><is><t>p{0}</t></is></c>{1}</row>'
    known = row.format(2, '<c r="B2"><f>1+1</f><v>2</v></c>') + row.format(3, '<c r="B3" t="str"><f>""</f><v></v></c>')
    with_rows(path, f'<row r="1">{cells}</row>{known}')
    assert rows_of(path) == [HEADER, ["p2", "2"], ["p3", ""]]
    with_rows(path, f'<row r="1">{cells}</row>{known}' + row.format(4, '<c r="B4"><f>B2+1</f><v></v></c>'))
    said = (
        r"sheet 'Cases', cell B4: 1 cells hold a formula that was never calculated \(B4\); open the file in Excel and"
    )
    with pytest.raises(ValueError, match=said):
        rows_of(path)


def test_all_that_keeps_a_sheet_from_being_a_table_is_said_at_once(path):
    book = openpyxl.Workbook()
    for row in (HEADER, ["p", "#REF!"], ["q", "#N/A", None, "note"], ["r", 1], ["s", 2], ["t", None]):
        book.active.append(row)
    book.active["AB6"] = "far"
    book.active.merge_cells("A4:A5")
    book.active.merge_cells("D9:E9")  # beside the table: nothing is lost
    book.save(path)
    with pytest.raises(ValueError, match=r"t\.xlsx") as refused:
        rows_of(path)
    for said in (
        "t.xlsx, sheet 'Sheet', cell B2: 2 cells hold an error (B2 #REF!, B3 #N/A); correct the formula, or leave",
        "cell D3: 2 cells hold something right of the last column name (D3, AB6); give each column a name",
        "1 ranges are merged cells, of which only the first holds the value (A4:A5); unmerge them and fill every cell",
    ):
        assert said in str(refused.value)
    assert len(refused.value.problems) == 3


def test_first_sheet_is_read_and_others_that_hold_something_are_said_until_one_is_named(path):
    write_book(path, [HEADER, ["p", 1]], Legend=[["x"]], Empty=[], More=[["case_id", "b"], ["q", 2]])
    with remarked() as heard:
        assert rows_of(path) == [HEADER, ["p", "1"]]
    (problem,) = heard
    assert problem.level == "note"
    assert "only the first sheet 'Cases' is read; others hold something too: Legend, More; if the table is on" in str(
        problem
    )
    with remarked() as heard:
        assert rows_of(path, sheet="More") == [["case_id", "b"], ["q", "2"]]
    assert heard == []
    assert header_of(path, "More") == ["case_id", "b"]
    with pytest.raises(ValueError, match=r"t\.xlsx: no sheet 'more'; it has Cases, Legend, Empty, More"):
        rows_of(path, sheet="more")
    with pytest.raises(ValueError, match=r"the sheet 'Empty' is empty; name it as `sheet` .*: Cases, Legend"):
        rows_of(path, sheet="Empty")


def test_hidden_rows_are_read_and_said(path):
    write_book(path, [HEADER, ["p", 1], ["q", 2]])
    changed(path, "xl/worksheets/sheet1.xml", lambda xml: xml.replace('<row r="3"', '<row r="3" hidden="1"'))
    with remarked() as heard:
        assert len(rows_of(path)) == 3
    assert "1 rows are hidden, perhaps by a filter, and are read like the others" in str(heard[0])


def test_decimal_commas_typed_as_text_are_read_beside_numbers(path):
    write_book(path, [HEADER, ["p", "0,15"], ["q", 1.234], ["r", "1,5"]])
    assert rows_of(path) == [HEADER, ["p", "0.15"], ["q", "1.234"], ["r", "1.5"]]


def test_blank_rows_and_columns_around_the_table_are_none(path):
    write_book(path, [[*HEADER, None, " "], ["p", 1], ["q"], [None, None, ""], [" "]])
    assert rows_of(path) == [HEADER, ["p", "1"], ["q", ""]]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [[None], HEADER],
            r"row 1 holds nothing, no header of a table; the column names must be in the first",
        ),
        ([["Export of May"], HEADER], "row 1 holds one name, no header of a table"),
        ([["a", "b", "a"], [1, 2, 3]], "columns listed more than once: a; give each column a name of its own"),
        ([], r"the sheet 'Cases' is empty; save it again as \.xlsx, or as CSV"),
    ],
)
def test_sheet_without_a_header_is_refused_with_what_to_do(path, rows, said):
    write_book(path, rows)
    with pytest.raises(ValueError, match=rf"^t\.xlsx.*{said}"):
        rows_of(path)
    first = [str(cell) for cell in rows[0] if cell] if rows else []
    assert header_of(path) == (first or [""])  # what is wrong is the reader's to say


@pytest.mark.parametrize("raw", [b"case_id,a\np,1\n", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
def test_what_is_no_workbook_is_refused(path, raw):
    path.write_bytes(raw)
    with pytest.raises(
        ValueError, match=r"t\.xlsx: no Excel workbook, or one with a password, .*; save it without a pass"
    ):
        rows_of(path)


def test_damaged_workbook_is_refused(path):
    raw = write_book(path, [HEADER, ["p", 1]]).read_bytes()
    for damaged in (raw[:-30], raw[:200] + b"\0" * 50 + raw[250:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"t\.xlsx: no readable Excel workbook: damaged or cut off; save it again"):
            rows_of(path)
    assert header_of(path) == [""]
