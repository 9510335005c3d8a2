"""Sums from the sites, checked and added."""

import numpy as np
import pytest

from strategies.checks import CLASS_COUNTS
from strategies.statistics import add_sums

COHORTS = {"north": 10, "south": 20, "west": 3}


def sums(n=(4.0, 2.0), total=(8.0, 1.0), square=(20.0, 3.0)):
    return {name: np.array(values, float) for name, values in (("n", n), ("sum", total), ("square", square))}


def test_sums_of_all_sites_are_added():
    total, refused = add_sums([("north", sums()), ("south", sums((20, 0), (5, 0), (7, 0)))], COHORTS, "cnv")
    assert {name: array.tolist() for name, array in total.items()} == {
        "n": [24, 2],
        "sum": [13, 1],
        "square": [27, 3],
    }
    assert refused == []


def test_the_sites_own_arrays_stay_as_they_were():
    first = sums()
    add_sums([("north", first), ("south", sums())], COHORTS, "cnv")
    assert first["n"].tolist() == [4, 2]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (sums(n=(4, 11)), "counts outside 0 to the 10 cases announced"),
        (sums(n=(-1, 2)), "counts outside 0 to the 10 cases announced"),
        (sums(square=(15.9, 3)), "a negative variance"),  # 15.9 / 4 < (8 / 4)^2
        (sums(total=(np.nan, 1)), "sum is not finite float64"),
        (sums(square=(np.inf, 3)), "square is not finite float64"),
        ({name: array.astype(np.float32) for name, array in sums().items()}, "n is not finite float64"),
        ({"n": np.ones(2), "sum": np.ones(2)}, "other names or shapes than most sites: the agreed lists differ"),
        (sums((1, 1, 1), (0, 0, 0), (1, 1, 1)), "other names or shapes than most sites: the agreed lists differ"),
        ({}, "no arrays"),
    ],
)
def test_sums_that_cannot_be_right_are_refused_and_the_rest_added(wrong, reason):
    parts = [("north", wrong), ("south", sums()), ("west", sums((1, 2), (1, 1), (1, 1)))]
    total, refused = add_sums(parts, COHORTS, "cnv")
    assert [(refusal.site, refusal.part, refusal.reason) for refusal in refused] == [("north", "cnv", reason)]
    assert total["n"].tolist() == [5, 4]


def test_a_variance_of_zero_is_right_despite_rounding():
    value = 0.1 * 7
    constant = sums((7, 7), (7 * value, 0), (7 * value * value * (1 - 1e-15), 0))
    assert add_sums([("north", constant)], COHORTS, "cnv")[1] == []


def test_class_counts_cannot_be_negative():
    parts = [("north", {CLASS_COUNTS: np.array([5.0, -1.0])}), ("south", {CLASS_COUNTS: np.array([3.0, 4.0])})]
    total, refused = add_sums(parts, COHORTS, "study")
    assert total[CLASS_COUNTS].tolist() == [3, 4]
    assert [refusal.reason for refusal in refused] == ["negative counts"]


def test_a_site_that_sends_nothing_does_not_decide_what_is_usual():
    total, refused = add_sums([("north", {}), ("south", sums())], COHORTS, "cnv")
    assert [refusal.site for refusal in refused] == ["north"]
    assert total["n"].tolist() == [4, 2]


def test_sums_of_nobody_are_empty():
    assert add_sums([], COHORTS, "cnv") == ({}, [])
