"""Dates as sites write them: an order that a column leaves open is asked for, never guessed."""

import datetime as dt

import pytest

from modalities import clinical
from modalities.clinical.dates import Day, age_on, read_dates
from modalities.core.contract import Source


def dates(*texts, order=""):
    problems = []
    days = read_dates(texts, range(2, 2 + len(texts)), order, problems, file="t.csv", column="born")
    return [str(day.date) if day else None for day in days], [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1960-04-03", "1971-12-24T08:00:00Z", "20010131"], ["1960-04-03", "1971-12-24", "2001-01-31"]),
        (["03.04.1960", "24.12.1971", ""], ["1960-04-03", "1971-12-24", None]),
        (["03/04/1960", "12/24/1971", "NA"], ["1960-03-04", "1971-12-24", None]),
        (["3-APR-1960", "24 Dec 1971"], ["1960-04-03", "1971-12-24"]),
        (["04.04.1960", "5/5/1971"], ["1960-04-04", "1971-05-05"]),  # the same whichever comes first
        (["1960", "1971-12"], ["1960-07-01", "1971-12-15"]),
    ],
)
def test_order_is_told_by_the_column(texts, expected):
    assert dates(*texts) == (expected, [])


def test_order_that_no_date_tells_is_asked_for():
    read, problems = dates("03.04.1960", "07.11.1971")
    assert read == [None, None]
    assert problems == [
        "t.csv, line 2, column 'born': dates such as '03.04.1960' may have the day or the month first, and no date in "
        "it tells which; say it in site.yaml as sources.clinical.dates: day first or month first"
    ]


def test_order_that_is_said_counts():
    assert dates("03.04.1960", order="day first") == (["1960-04-03"], [])
    assert dates("03.04.1960", order="month first") == (["1960-03-04"], [])
    assert "'24.12.1971' is no date with the month first" in dates("24.12.1971", order="month first")[1][0]


@pytest.mark.parametrize("text", ["31.02.1960", "1960-13-01", "soon", "3.4.60", "22281"])
def test_what_is_no_date_is_said_with_its_line(text):
    (problem,) = dates("24.12.1971", text)[1]
    assert f"line 3, column 'born': {text!r} is no date" in problem


@pytest.mark.parametrize(
    ("birth", "day", "age"),
    [("1960-04-03", "2020-04-02", 59), ("1960-04-03", "2020-04-03", 60), ("2020-01-02", "2020-01-01", -1)],
)
def test_age_is_in_whole_years(birth, day, age):
    assert age_on(*(Day(dt.date.fromisoformat(text)) for text in (birth, day))) == age


def test_age_of_a_year_of_birth_is_counted_from_its_middle():
    assert age_on(Day(dt.date(1960, 7, 1), is_exact=False), Day(dt.date(2020, 6, 1))) == 59
    assert age_on(Day(dt.date(1960, 7, 1), is_exact=False), Day(dt.date(2020, 8, 1))) == 60


MAPPING = {"case_id": "Pat", "birth_date": "geb", "diagnosis_date": "ED", "er": "ER"}


def read(path, **source):
    return clinical.read(Source((path,), columns=MAPPING, **source), clinical.Config())


def test_table_with_two_dates_has_an_age(write):
    path = write.text(
        "own.csv", "Pat;geb;ED;ER\np1;24.12.1960;23.12.2020;pos\np2;03.04.1970;04.05.2021;neg\np3;;04.05.2021;neg\n"
    )
    cases = read(path)
    age = cases.values[:, cases.features.index("age")]
    assert age.tolist()[:2] == [59, 51]
    assert str(age[2]) == "nan"


def test_diagnosis_before_birth_is_refused(write):
    path = write.text("own.csv", "Pat,geb,ED,ER\np1,1960-01-01,1959-01-01,pos\np2,1960-01-01,2000-01-01,pos\n")
    with pytest.raises(ValueError, match=r"own.csv, line 2: diagnosed before birth; correct one of the dates"):
        read(path)


def test_dates_in_the_place_of_ages_are_one_problem(write):
    path = write.text("own.csv", "id,alter,er\np1,12.03.1960,pos\np2,24.12.1971,pos\np3,,neg\n")
    columns = {"case_id": "id", "age": "alter", "er": "er"}
    with pytest.raises(ValueError, match="dates, where an age is wanted") as refused:
        clinical.read(Source((path,), columns=columns), clinical.Config())
    assert str(refused.value) == (
        "own.csv, column 'alter': dates, where an age is wanted; map birth_date and diagnosis_date in the place of "
        "age: the age is worked out from them"
    )
