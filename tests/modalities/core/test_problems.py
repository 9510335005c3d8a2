"""Problems are data: they keep file, place and remedy on their way, and are said a line each."""

import pickle
from dataclasses import replace

import pytest

from modalities.core.problems import (
    Problem,
    ProblemsError,
    check,
    gathering,
    note,
    once,
    problems_of,
    warning,
    worst_first,
)

BLANK = Problem("blank", "fill it in", file="a.csv", where="line 3")


def test_a_problem_is_said_with_its_file_place_and_remedy():
    assert str(BLANK) == "a.csv, line 3: blank; fill it in"
    assert str(replace(BLANK, file="")) == "line 3: blank; fill it in"
    assert str(Problem("blank")) == "blank"


def test_a_place_that_the_text_names_is_not_said_twice():
    assert str(note("blank in line 3", file="a.csv", where="line 3")) == "a.csv: blank in line 3"


def test_check_raises_all_problems_at_once_and_nothing_for_none():
    check([])
    check([""])
    with pytest.raises(
        ProblemsError, match=r"^a\.csv, line 3: blank; fill it in\nlr must be positive; got -1$"
    ) as error:
        check([BLANK, "", "lr must be positive; got -1"])
    assert error.value.problems == (BLANK, Problem("lr must be positive; got -1"))


def test_problems_survive_the_way_from_a_worker_process():
    again = pickle.loads(pickle.dumps(ProblemsError(BLANK, note("odd"))))
    assert again.problems == (BLANK, note("odd"))
    assert str(again) == "a.csv, line 3: blank; fill it in\nodd"


def test_what_an_error_says_gets_the_file_and_place_that_it_lacks():
    error = ProblemsError(BLANK, Problem("worse"))
    assert problems_of(error, file="b.csv", where="line 9") == [BLANK, Problem("worse", file="b.csv", where="line 9")]
    assert problems_of(ValueError("x: y; z"), file="b.csv") == [Problem("x: y; z", file="b.csv")]


def test_gathering_goes_on_behind_a_problem_but_not_behind_a_fault_of_the_program():
    problems = [note("known")]
    with gathering(problems, file="a.csv"):
        raise ValueError("cut off")
    with gathering(problems):
        check([BLANK])
    assert problems == [note("known"), Problem("cut off", file="a.csv"), BLANK]
    with pytest.raises(KeyError, match="name"), gathering(problems):
        raise KeyError("name")


def test_errors_come_first_and_the_order_stays():
    problems = [note("a"), Problem("b"), warning("c"), Problem("d")]
    assert [problem.what for problem in worst_first(problems)] == ["b", "d", "c", "a"]


def test_one_cause_in_many_places_is_said_once_with_the_places():
    many = [Problem("no table", "make one", file="site.yaml", where=f"S{number}") for number in range(12)]
    files = [replace(BLANK, file=name) for name in ("a.csv", "b.csv")]
    assert list(map(str, once([*many, *files, warning("no table", "make one", where="S1")]))) == [
        "site.yaml, S0, S1, S2, S3, S4, S5, S6, S7, S8, S9 and 2 more: no table; make one",
        "a.csv, b.csv, line 3: blank; fill it in",
        "S1: no table; make one",
    ]


def test_plain_values_name_level_text_and_place():
    expected = {"level": "warning", "what": "odd", "remedy": "mend it", "file": "a.csv", "where": "line 2"}
    assert warning("odd", "mend it", file="a.csv", where="line 2").to_dict() == expected
