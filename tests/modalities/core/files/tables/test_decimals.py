"""Decimal commas are told by the table, never by a cell that may be thousands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modalities.core.files.remarks import remarked
from modalities.core.files.tables.delimited import rows_of


def read(tmp_path, *rows, delimiter=";"):
    text = "".join(delimiter.join(row) + "\n" for row in (("id", "a", "b"), *rows))
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    return rows_of(tmp_path / "t.csv")[1:]


@pytest.mark.parametrize(
    ("cell", "read_as"),
    [
        ("0,15", "0.15"),
        ("-0,150", "-0.150"),
        ("12,5", "12.5"),
        ("1234,567", "1234.567"),
        ("1.234,5", "1234.5"),
        ("1 234 567,891", "1234567.891"),
        ("1\u202f234,5", "1234.5"),
        ("1'234,5", "1234.5"),
        (" 0,5 ", "0.5"),
        ("1,5e-3", "1.5e-3"),
    ],
)
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_number_that_can_be_nothing_else_is_read_with_a_point(tmp_path, cell, read_as, delimiter):
    assert read(tmp_path, ["p", cell, "3"], delimiter=delimiter) == [["p", read_as, "3"]]


@pytest.mark.parametrize("cell", ["1,2,3", "1,234,567", "1,234.5", "5,", ",5", "a,b", "0,5%", "<0,5", "01.02.2020"])
def test_what_is_no_number_with_one_comma_stays_as_it_is(tmp_path, cell):
    assert read(tmp_path, ["p", cell, "0,5"]) == [["p", cell, "0.5"]]


def test_three_digits_behind_the_comma_are_decimals_where_the_table_says_it(tmp_path):
    assert read(tmp_path, ["p", "1,234", "0,5"]) == [["p", "1.234", "0.5"]]
    assert read(tmp_path, ["p", "1,234", "2,345"]) == [["p", "1,234", "2,345"]]  # nobody says it


def test_three_digits_behind_the_comma_are_left_where_another_column_has_points(tmp_path):
    assert read(tmp_path, ["p", "1,234", "0.5"], ["q", "x", "0,5"]) == [["p", "1,234", "0.5"], ["q", "x", "0.5"]]
    # its own column says it
    assert read(tmp_path, ["p", "1,234", "0.5"], ["q", "0,5", "1"]) == [["p", "1.234", "0.5"], ["q", "0.5", "1"]]


@pytest.mark.parametrize(
    "rows",
    [
        [["p", "0,5", "1.234"], ["q", "0,5", "900"], ["r", "0,5", ""]],
        [["p", "3", "1.234"], ["q", "3", "0,5"]],
        [["p", "3", "1.234"], ["q", "3", "0,5"], ["r", "3", "0.5"]],
    ],
)
def test_point_before_three_digits_is_refused_beside_decimal_commas(tmp_path, rows):
    said = r"t\.csv, line 2, column 3: '1\.234' may be 1234 or have a decimal point: .*; format the numbers"
    with pytest.raises(ValueError, match=said):
        read(tmp_path, *rows)


def test_column_of_points_or_of_codes_is_left_as_it_is_beside_decimal_commas(tmp_path):
    points = [["p", "0,5", "1.234"], ["q", "0,5", "0.5"]]
    assert [row[2] for row in read(tmp_path, *points)] == ["1.234", "0.5"]
    codes = [["p", "0,5", "1.234"], ["q", "0,5", "D1.234"]]
    assert [row[2] for row in read(tmp_path, *codes)] == ["1.234", "D1.234"]


def test_header_keeps_its_commas(tmp_path):
    (tmp_path / "t.csv").write_text("id;0,5;x\np;1,5;2,5\n")
    assert rows_of(tmp_path / "t.csv") == [["id", "0,5", "x"], ["p", "1.5", "2.5"]]


def test_it_is_said_that_commas_were_read_as_points(tmp_path):
    with remarked() as heard:
        read(tmp_path, ["p", "3", "x"], ["q", "1.234,5", "y"])
    assert [str(problem) for problem in heard] == ["t.csv: decimal commas: 1.234,5 in line 3 is read as 1234.5"]
    assert heard[0].level == "note"


@given(st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=2, max_size=6))
def test_numbers_come_back_whatever_they_are(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("commas")
    rows = [[f"p{n}", f"{number:.4f}".replace(".", ","), "0,1"] for n, number in enumerate(numbers)]
    assert [row[1] for row in read(folder, *rows)] == [f"{number:.4f}" for number in numbers]
