"""Which of a case's repeated measurements counts: by the index date, and only where the site says so."""

import pytest

from modalities import clinical
from modalities.clinical.choosing import Choice
from modalities.core.contract import IndexDate, Source

ROWS = [(-90, {"er": "negative"}), (-10, {"er": "positive"}), (10, {"er": "indeterminate"}), (40, {"er": "negative"})]


@pytest.mark.parametrize(
    ("take", "within", "expected"),
    [
        ("nearest", 0, "positive"),  # ten days before and after: the one before
        ("before", 0, "positive"),
        ("after", 0, "indeterminate"),
        ("after", 7, None),
        ("nearest", 7, None),
    ],
)
def test_index_date_says_which_counts(take, within, expected):
    choice = Choice(IndexDate(date="diagnosis", take=take, within_days=within))
    assert choice.of("p1", ROWS).get("er") == expected
    assert choice.outside == (expected is None)
    assert choice.problems("f", are_entries=True) == []


def test_values_that_differ_are_an_error_without_an_index_date():
    choice = Choice(IndexDate())
    assert choice.of("p1", ROWS) == {}
    assert choice.of("p2", [(0, {"er": "positive", "age": 61.0}), (5, {"er": "positive"})]) == {
        "er": "positive",
        "age": 61.0,
    }
    assert choice.of("p3", [(0, {"her2": "positive"}), (5, {"her2": "negative"})]) == {}
    assert [str(problem) for problem in choice.problems("f.csv", are_entries=True)] == [
        "f.csv, sources.clinical.index: er, her2 differ between the measurements of 2 cases, and nothing says which "
        "counts; say it in site.yaml as sources.clinical.index: {date: diagnosis, take: nearest}, or keep one of them"
    ]


def test_values_that_differ_on_the_same_day_are_left_out_and_counted():
    choice = Choice(IndexDate(date="diagnosis"))
    assert choice.of("p1", [(3, {"er": "positive"}), (3, {"er": "negative"}), (9, {"er": "negative"})]) == {}
    assert choice.contradictions == 1


def test_measurements_without_a_day_are_an_error_only_where_they_differ():
    choice = Choice(IndexDate(date="diagnosis"))
    assert choice.of("p1", [(None, {"er": "positive"})]) == {"er": "positive"}
    assert choice.of("p2", [(None, {"er": "positive"}), (None, {"er": "negative"})]) == {}
    assert (
        "of 1 cases, and the days between measurement and index date are not known; give both dates, or keep one"
    ) in str(choice.problems("f", are_entries=False)[0])


def test_a_measurement_without_a_day_is_not_passed_over_for_a_later_one():
    relapse, unknown = (900, {"er": "negative"}), (None, {"er": "positive"})
    choice = Choice(IndexDate(date="diagnosis"))
    assert choice.of("p1", [unknown, relapse]) == {}
    assert choice.of("p2", [relapse, (None, {"er": "negative"})]) == {"er": "negative"}
    assert "er differ between the measurements of 1 cases, and the days between" in str(
        choice.problems("f", are_entries=False)[0]
    )
    limited = Choice(IndexDate(date="diagnosis", within_days=180))
    assert limited.of("p1", [unknown, relapse]) == {}
    assert (limited.outside, limited.problems("f", are_entries=False)) == (1, [])


TABLE = """\
MRN,date,diagnosed,ER,KI67
p1,2020-01-05,2020-01-01,pos,10
p1,2021-06-01,2020-01-01,neg,30
p2,2020-03-01,2020-03-01,neg,
"""


def test_table_with_a_row_a_measurement_is_read_by_its_index_date(write):
    path = write.text("own.csv", TABLE)
    columns = {"case_id": "MRN", "er": "ER", "ki67_percent": "KI67"}
    index = IndexDate(date="diagnosed", measured="date", take="after", within_days=60)
    cases = clinical.read(Source((path,), columns=columns, index=index), clinical.Config())
    row = dict(zip(cases.features, cases.values[cases.case_ids.index("p1")], strict=True))
    assert (row["er=positive"], row["ki67_percent"]) == (1, 10)
    with pytest.raises(ValueError, match="case p1 stands more than once and the rows differ"):
        clinical.read(Source((path,), columns=columns), clinical.Config())
    other = IndexDate(date="visit", measured="date")
    with pytest.raises(ValueError, match=r"index.date: no column 'visit'; name the column of the index date"):
        clinical.read(Source((path,), columns=columns, index=other), clinical.Config())
