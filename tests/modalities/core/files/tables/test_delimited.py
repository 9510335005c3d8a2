"""Delimited text: read strictly, and never a guess."""

import csv
import gzip
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modalities.core.files.tables.delimited import delimiter_of, listing, numbers, refuse_repeated, rows_of

CELL = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Nd"]), max_size=6)  # no decimal comma


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=5), st.sampled_from([",", "\t"]))
def test_whatever_a_csv_writer_writes_reads_back(tmp_path_factory, body, delimiter):
    rows = [["a", "b", "c"], *[row for row in body if any(row)]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    assert rows_of(path, delimiter) == rows


def test_quotes_count_wherever_they_stand_in_the_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "1,2\n" * 70 + '"x, y",3\n')
    assert rows_of(path, ",")[-1] == ["x, y", "3"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_endings_of_every_system_and_a_byte_order_mark_are_read(tmp_path, ending):
    path = tmp_path / "t.csv"
    path.write_bytes(f"\ufeffa,b{ending}1,2{ending}".encode())
    assert rows_of(path, ",") == [["a", "b"], ["1", "2"]]


def test_gzip_is_unpacked(tmp_path):
    path = tmp_path / "t.tsv.gz"
    path.write_bytes(gzip.compress(b"a\tb\n1\t2\n"))
    assert rows_of(path, "\t") == [["a", "b"], ["1", "2"]]


def test_blank_lines_and_rows_of_empty_cells_at_the_end_are_no_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n,\n\n,\n")
    assert rows_of(path, ",") == [["a", "b"], ["1", "2"]]


def test_blank_line_between_rows_is_refused_like_any_row_too_short(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n\n3,4\n5\n")
    with pytest.raises(ValueError, match=r"header has 2 fields, but line 3 has 1, line 5 has 1; .*export it again"):
        rows_of(path, ",")


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "t.csv", "the file is empty; export it again"),
        (b"\n\n", "t.csv", "the file is empty; export it again"),
        (
            b"a^b\n1^2\n",
            "t.csv",
            r"only one column: line 1 has no tab, comma, .* between cells \('a\^b'\); export it with",
        ),
        (b"a,b,a\n1,2,3\n", "t.csv", "columns listed more than once: a; give each column a name of its own"),
        (
            b'"a" "b"\n"r1" 1 2\n"r2" 3 4\n'.replace(b" ", b"\t"),
            "t.csv",
            r"every line has 3 fields, and the header 2; if R wrote it, .* row\.names = FALSE",
        ),
        (b"a,b\n1,2,3\n", "t.csv", "the header has 2 fields, but line 2 has 3"),
        (b'a,b\n"1,2\n3,4\n', "t.csv", "a quote that is opened in line 3 or before is not closed"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "t.csv.gz", "the gzip file is damaged or cut off; copy it again"),
        (b"a,b\n1,2\n", "t.csv.gz", "the gzip file is damaged or cut off"),
        (gzip.compress(b"a,b\n" * 99, mtime=0)[:12] + b"\x00" * 40, "t.csv.gz", "the gzip file is damaged or cut off"),
    ],
)
def test_unusable_file_is_refused_with_place_and_remedy(tmp_path, content, name, said):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{name}: {said}"):
        rows_of(path)


def test_delimiter_that_is_asked_for_must_split_the_header(tmp_path):
    (tmp_path / "t.csv").write_text("a;b\n1;2\n")
    with pytest.raises(ValueError, match=r"only one column when split at every comma; export it with a comma between"):
        rows_of(tmp_path / "t.csv", ",")


def test_absent_file_says_where_to_correct_its_path(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.csv: no such file; correct the path in site\.yaml"):
        rows_of(tmp_path / "gone.csv", ",")


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [("a.csv", ","), ("a.CSV", ","), ("a.csv.gz", ","), ("a.tsv", "\t"), ("data_cna.txt", "\t"), ("a.txt.gz", "\t")],
)
def test_delimiter_follows_from_the_ending(tmp_path, name, delimiter):
    assert delimiter_of(tmp_path / name) == delimiter


def test_number_with_a_comma_that_nobody_can_tell_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "t.csv").write_text("id;area\np;1,234\n")
    with pytest.raises(
        ValueError, match=r"column 'area': '1,234'.*; write them with a decimal point and without thousand"
    ):
        numbers(tmp_path / "t.csv", [row[1:] for row in rows_of(tmp_path / "t.csv")[1:]], ["area"], 2)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=7))
def test_finite_numbers_read_back_exactly(tmp_path_factory, values):
    found = numbers(tmp_path_factory.getbasetemp() / "t.csv", [[repr(value) for value in values]], ["c"] * 7, 2)
    assert found.dtype == np.float32
    assert found.tolist() == [values]


@pytest.mark.parametrize("cell", ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", ".", " NA "])
def test_missing_value_is_nan(tmp_path, cell):
    found = numbers(tmp_path / "t.csv", [["1", cell]], ["a", "b"], 2)
    assert found[0, 0] == 1
    assert np.isnan(found[0, 1])


@pytest.mark.parametrize("cell", ["high", "1,5", "inf", "-inf", "1e999", "1e39", "[Not Available]", "0x1f", "1_000"])
def test_cell_that_is_no_finite_number_is_named_with_line_and_column(tmp_path, cell):
    with pytest.raises(ValueError, match=r"t\.csv: 1 cells are no finite number \(line 3, column 'b': '.*leave them"):
        numbers(tmp_path / "t.csv", [["1", "2"], ["3", cell]], ["a", "b"], 2)


def test_only_the_first_ten_wrong_cells_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"13 cells .*line 11, column 'a': 'x' and 3 more\)"):
        numbers(tmp_path / "t.csv", [["x"]] * 13, ["a"], 2)


def test_repeated_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"t\.csv: cases listed more than once: a, c; remedy"):
        refuse_repeated(tmp_path / "t.csv", ["c", "a", "b", "a", "c"], "cases", "remedy")


def test_listing_names_ten_and_counts_the_rest():
    assert listing(["a"] * 10) == ", ".join(["a"] * 10)
    assert listing(["a"] * 13).endswith("a and 3 more")


@pytest.mark.parametrize(
    ("below", "is_told"),
    [("(2 rows)\n", True), ("\n(2 rows affected)\n\n", True), ("3\n4,5\n", False), ("4,5,6\n", False)],
)
def test_what_databases_write_below_a_table_is_called_so(tmp_path, below, is_told):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n2,3\n" + below)
    with pytest.raises(ValueError, match=r"line 4 has \d.*; the file is cut off or damaged: export it again") as raised:
        rows_of(path)
    assert ("or delete what stands below the table, such as a count of its rows" in str(raised.value)) is is_told
