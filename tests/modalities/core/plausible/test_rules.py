"""A rule is told where more cases break it than chance explains, at few cases and at many."""

import numpy as np
import pandas as pd
import pytest

from modalities.core.plausible.rules import Rule, judged

HALF = Rule(("x",), lambda cases: cases["x"] > 1, "x is large", "two units", "divide it", usual=0.5)
NEVER = Rule(("x", "y"), lambda cases: cases["x"] > cases["y"], "x is above y", "they are swapped", "swap them")


def said(rules, **columns):
    n = len(next(iter(columns.values())))
    frame = pd.DataFrame(columns, index=pd.Index([f"c{number}" for number in range(1, n + 1)]))
    return [str(problem) for problem in judged(rules, frame)]


def test_what_cannot_be_is_told_of_one_case_by_its_id():
    assert said([NEVER], x=[1.0, 5.0, 2.0], y=[2.0, 4.0, 2.0]) == [
        "x is above y in 1 of 3 cases (c2): they are swapped; swap them"
    ]


@pytest.mark.parametrize(("n_large", "n", "is_told"), [(9, 9, False), (10, 10, True), (15, 17, False), (16, 17, True)])
def test_what_half_of_all_cases_do_needs_more_than_chance(n_large, n, is_told):
    """All of 9 by chance: 2 ** -9 = 1/512; of 10, 1/1024; 15 or more of 17: 154 / 2 ** 17 = .0012; 16: 18 / 2 ** 17."""
    assert bool(said([HALF], x=[2.0] * n_large + [0.0] * (n - n_large))) is is_told


def test_cases_of_which_a_column_is_not_known_are_not_judged():
    (line,) = said([NEVER], x=[5.0, np.nan, 5.0], y=[4.0, 4.0, np.nan])
    assert "in 1 of 1 cases (c1)" in line
    assert said([NEVER], x=[5.0]) == []


def test_a_rule_may_be_of_some_cases_only():
    among = Rule(NEVER.needs, NEVER.wrong, "x is above y", "m", "r", among=lambda cases: cases["y"] > 0)
    (line,) = said([among], x=[5.0, 5.0, 0.0], y=[-1.0, 4.0, 3.0])
    assert "in 1 of 2 cases (c2)" in line


def test_a_column_that_is_wrong_by_itself_is_not_held_against_others():
    always = Rule(("x",), lambda cases: cases["x"] > 1, "x is large", "two units", "divide it")
    assert len(said([always, NEVER], x=[5.0], y=[4.0])) == 1
    assert len(said([NEVER, always], x=[5.0], y=[4.0])) == 2


def test_five_cases_are_named_and_the_others_counted():
    (line,) = said([NEVER], x=[5.0] * 7, y=[4.0] * 7)
    assert "in 7 of 7 cases (c1, c2, c3, c4, c5 and 2 more)" in line
