"""A reader's message becomes file, place, what and remedy."""

import pytest

from client.check.findings import Finding, findings_of, worst


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "t.csv: no case id in line 3; fill it in or take the row out",
            ("t.csv", "line 3", "no case id in line 3", "fill it in or take the row out"),
        ),
        (
            "own.csv, line 5 and 1 more, column 'er': 'Psitive' is not known; write positive, or leave it empty",
            (
                "own.csv",
                "line 5 and 1 more, column 'er'",
                "'Psitive' is not known",
                "write positive, or leave it empty",
            ),
        ),
        (
            "t.csv.gz: 1 cells are no finite number (line 2, column 'f': 'x; y'); correct them",
            (
                "t.csv.gz",
                "line 2, column 'f'",
                "1 cells are no finite number (line 2, column 'f': 'x; y')",
                "correct them",
            ),
        ),
        (
            "policy.modalities: cvn: no such source; the site has hif",
            ("site.yaml", "policy.modalities", "cvn: no such source", "the site has hif"),
        ),
        ("cnv takes one file or folder, got 2", ("cnv/", "", "cnv takes one file or folder, got 2", "")),
    ],
)
def test_message_is_taken_apart(message, expected):
    (found,) = findings_of(message, "cnv/")
    assert (found.file, found.where, found.what, found.remedy) == expected
    assert found.level == "error"


def test_a_line_is_a_problem_and_a_heading_is_none():
    found = findings_of("the files cannot be read:\na.csv: bad; mend it\n\nb.csv: worse")
    assert [str(one) for one in found] == ["a.csv: bad; mend it", "b.csv: worse"]


def test_place_is_not_said_twice():
    assert str(Finding("note", "blank in line 3", "", "a.csv", "line 3")) == "a.csv: blank in line 3"
    assert str(Finding("note", "blank", "fill it in", "a.csv", "line 3")) == "a.csv, line 3: blank; fill it in"


def test_errors_come_first_and_the_order_stays():
    found = [Finding("note", "a"), Finding("error", "b"), Finding("warning", "c"), Finding("error", "d")]
    assert [one.what for one in worst(found)] == ["b", "d", "c", "a"]


def test_unknown_level_is_refused():
    with pytest.raises(ValueError, match=r"level must be one of \('error', 'warning', 'note'\), got 'bad'"):
        Finding("bad", "x")
