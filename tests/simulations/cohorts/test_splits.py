"""Outer folds."""

from collections import Counter

import pandas as pd
import pytest

from simulations.cohorts.splits import outer_folds

LABELS = pd.Series(["A"] * 23 + ["B"] * 11 + ["C"] * 7, index=[f"k{number}" for number in range(41)])
SITES = pd.Series([f"s{number % 9}" for number in range(41)], index=LABELS.index)


def test_random_folds_test_every_case_once_and_share_out_every_class():
    folds = outer_folds(LABELS, SITES, "random", 3, seed=0)
    assert list(folds.index) == list(LABELS.index)
    assert set(folds) == {1, 2, 3}
    for label in "ABC":
        counts = Counter(folds[label == LABELS]).values()
        assert max(counts) - min(counts) <= 1


def test_site_folds_hold_whole_sites_out():
    folds = outer_folds(LABELS, SITES, "sites", 4, seed=0)
    assert set(folds) == {1, 2, 3, 4}
    assert (folds.groupby(SITES).nunique() == 1).all()


@pytest.mark.parametrize("cv", ["random", "sites"])
def test_folds_depend_on_the_seed_alone(cv):
    one, again, other = (outer_folds(LABELS, SITES, cv, 3, seed) for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one.equals(other)


def test_more_folds_than_cases_of_a_class_are_refused():
    with pytest.raises(ValueError, match="8 folds need as many cases of every class, the rarest has 7; lower --folds"):
        outer_folds(LABELS, SITES, "random", 8, seed=0)


def test_more_folds_than_sites_are_refused():
    few = SITES.replace({f"s{number}": "s0" for number in range(1, 7)})
    with pytest.raises(ValueError, match="4 folds of whole sites need as many sites, there are 3"):
        outer_folds(LABELS, few, "sites", 4, seed=0)
