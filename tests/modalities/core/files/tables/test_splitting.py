"""The delimiter is the one that header and rows agree on."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modalities.core.files.tables.delimited import rows_of, table_of


def read(tmp_path, text, name="t.csv", comment=""):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return rows_of(tmp_path / name, comment=comment)


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", "|"])
@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t.tsv"])
def test_delimiter_is_told_whatever_the_ending_says(tmp_path, delimiter, name):
    rows = [["case", "a", "b"], ["p1", "x", ""], ["p2", "", "y z"]]
    assert read(tmp_path, "".join(delimiter.join(row) + "\n" for row in rows), name) == rows


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("case;size (w,h)\np;3\nq;4,x\nr;5\n", ["case", "size (w,h)"]),  # the comma fits one row of three
        ("case\tsize (w, h)\tx, y\np\t3\t4\n", ["case", "size (w, h)", "x, y"]),
        ('case,"a;b",c\np,1,2\n', ["case", "a;b", "c"]),
        ('"case";"a\nb";c\np;"1;x";2\n', ["case", "a\nb", "c"]),
    ],
)
def test_other_signs_in_the_header_are_text_where_the_rows_do_not_have_them(tmp_path, text, header):
    assert read(tmp_path, text)[0] == header


def test_delimiter_that_fits_half_of_the_rows_might_be_meant(tmp_path):
    with pytest.raises(ValueError, match=r"split at every comma \(2 columns\) or semicolon \(2 columns\)"):
        read(tmp_path, "case;size (w,h)\np;3\nq;4,x\n")


def test_two_delimiters_that_fit_are_refused_and_the_line_above_the_header_decides(tmp_path):
    text = "case,x;y\np,1;2\n"
    with pytest.raises(ValueError, match=r"comma \(2 columns\) or semicolon \(2 columns\); say it in a line .*sep=,"):
        read(tmp_path, text)
    assert read(tmp_path, "sep=,\n" + text) == [["case", "x;y"], ["p", "1;2"]]
    assert read(tmp_path, '"sep=;"\n' + text) == [["case,x", "y"], ["p,1", "2"]]


def test_tabs_are_meant_where_the_ending_says_so(tmp_path):
    text = "case\tx;y\np\t1;2\n"
    with pytest.raises(ValueError, match="may be split at every tab"):
        read(tmp_path, text, "t.txt")
    assert read(tmp_path, text, "t.tsv") == [["case", "x;y"], ["p", "1;2"]]


def test_delimiter_is_told_by_the_header_below_comments(tmp_path):
    text = "#Patient, its id;Age\n#STRING;NUMBER\ncase;age\np;61\n"
    assert read(tmp_path, text, comment="#")[-2:] == [["case", "age"], ["p", "61"]]


def test_row_too_short_is_named_whichever_delimiter_it_is(tmp_path):
    with pytest.raises(ValueError, match=r"t\.csv: the header has 3 fields, but line 3 has 2; the file is cut off"):
        read(tmp_path, "case;a;b\np;1;2\nq;3\n")


def test_quote_left_open_is_named_though_another_delimiter_stands_in_the_header(tmp_path):
    with pytest.raises(ValueError, match="a quote that is opened in line 3 or before is not closed"):
        read(tmp_path, 'case,a;b\np,1\nq,"2\n')


@pytest.mark.parametrize("text", ["Export of 3 May\n\ncase;a\np;1\n", "\n\ncase;a\np;1\n"])
def test_title_above_the_header_is_refused_with_what_to_do(tmp_path, text):
    with pytest.raises(ValueError, match=r"only one column: line 1 has no .*; the header must be the first line"):
        read(tmp_path, text)


@pytest.mark.parametrize("quote", ["", '"'])
def test_blank_columns_on_the_right_are_none_and_those_with_values_are_named(tmp_path, quote):
    text = f"case;{quote}a{quote};;\np;1;; \nq;2;;\n"
    assert read(tmp_path, text) == [["case", "a"], ["p", "1"], ["q", "2"]]
    with pytest.raises(ValueError, match=r"t\.csv: columns 3, 4 have no name; name those that hold something, and del"):
        read(tmp_path, text.replace("q;2;;", "q;2;;5"))
    with pytest.raises(ValueError, match=r"columns 2, 4 have no name"):
        read(tmp_path, "case;;a;;b\np;;1;;2\n")


CELL = st.text(st.sampled_from('ab,;\t|" x'), max_size=4)


@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=2, max_size=6), st.sampled_from(list("\t,;|")))
def test_a_table_is_read_as_it_was_written_or_refused_but_never_split_otherwise(tmp_path_factory, rows, delimiter):
    rows = [["id", *(f"{cell}{n}" for n, cell in enumerate(rows[0]))], *(["p", *row] for row in rows[1:])]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    path = tmp_path_factory.getbasetemp() / "guess.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    found, refused = None, ""
    try:
        found = rows_of(path)
    except ValueError as error:
        refused = str(error)
    assert found == rows or "the columns may be split at every" in refused


def test_rows_of_a_large_table_are_the_same_from_whatever_end_they_are_taken(tmp_path):
    (tmp_path / "t.csv").write_text("case;a\np;0,5\nq;1,5\n")
    rows = table_of(tmp_path / "t.csv")
    assert (rows[0], rows[-1], rows[1:][0]) == (["case", "a"], ["q", "1.5"], ["p", "0.5"])
    assert list(rows[0:2]) == [["case", "a"], ["p", "0.5"]]
