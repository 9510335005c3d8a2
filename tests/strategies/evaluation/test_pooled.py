"""Pooled AUROCs from histograms against scikit-learn on the cases, and the intervals' coverage."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from strategies.evaluation.delong import influences
from strategies.evaluation.pooled import (
    auroc_interval,
    correlation,
    macro_variance,
    pooled_auroc,
    within_sites,
)
from strategies.evaluation.tally import tally_of
from tests.strategies.evaluation.scores import made_up

ALL = np.ones(4, dtype=bool)


def summed(tallies):
    return {name: sum(tally[name] for tally in tallies) for name in tallies[0]}


def in_sites(probabilities, labels, n_sites):
    """The tallies of cases dealt out to sites."""
    parts = np.array_split(np.arange(len(labels)), n_sites)
    return summed([tally_of(probabilities[rows], labels[rows]) for rows in parts])


@pytest.mark.parametrize(("n", "signal"), [(60, 0.0), (233, 1.0), (1000, 3.0)])
def test_the_pooled_auroc_is_scikit_learns_within_the_bound(n, signal):
    probabilities, labels = made_up(n, signal=signal, seed=n)
    total = in_sites(probabilities, labels, 3)
    pooled = pooled_auroc(total["positives"], total["negatives"])
    exact = [roc_auc_score(labels == index, probabilities[:, index]) for index in range(4)]
    assert (np.abs(pooled.value - exact) <= pooled.bound).all()
    assert (pooled.bound < 0.01).all()
    assert pooled.bound.max() > 0


def test_the_bound_is_half_the_pairs_that_share_a_bin():
    positives, negatives = np.array([[0.0, 2, 3]]), np.array([[4.0, 1, 0]])
    pooled = pooled_auroc(positives, negatives)
    # pairs: 2 x (4 above + 1 tied) + 3 x 5 above = 8 + 1 + 15 of 25; two pairs share the middle bin
    assert pooled.value.tolist() == [24 / 25]
    assert pooled.bound.tolist() == [1 / 25]


def test_the_variance_is_delongs_but_for_the_bins():
    probabilities, labels = made_up(300, seed=8)
    total = tally_of(probabilities, labels)
    exact = np.square(influences(probabilities, labels)).sum(axis=0)
    assert pooled_auroc(total["positives"], total["negatives"]).variance == pytest.approx(exact, rel=0.03)


def test_a_class_with_one_case_has_no_auroc():
    pooled = pooled_auroc(np.array([[1.0, 0], [3, 2]]), np.array([[2.0, 3], [0, 1]]))
    for values in (pooled.value, pooled.bound, pooled.variance):
        assert np.isnan(values).all()


def test_pairs_within_sites_leave_out_how_sites_differ():
    """Two sites whose scores are shifted against each other: pooled ranks suffer, ranks within do not."""
    scores, labels = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 0, 1, 1])
    sites = [tally_of(np.stack([1 - p, p], axis=1), labels) for p in (scores, scores + 0.5)]
    total = summed(sites)
    both = np.ones(2, dtype=bool)
    value, variance = within_sites(total["pairs"], total["wins"], total["covariance"], both)
    assert (value, variance) == (1.0, 0.0)
    assert pooled_auroc(total["positives"], total["negatives"]).value.tolist() == [0.75, 0.75]


def test_what_is_not_known_of_a_correlation_counts_as_one():
    known = correlation(np.array([[4.0, -1, 0], [-1, 1, 0], [0, 0, 0]]))
    assert known.tolist() == [[1, -0.5, 1], [-0.5, 1, 1], [1, 1, 1]]
    variance = np.array([4.0, 1.0, 9.0])
    counted = np.array([True, True, False])
    assert macro_variance(variance, known, counted) == pytest.approx((4 + 1 - 2 * 0.5 * 2) / 4)


@pytest.mark.parametrize(
    ("n_least", "quantile"), [(5, 2.7764451), (3, 4.3026527), (2, 12.7062047), (1, 12.7062047), (0.0, 12.7062047)]
)
def test_an_interval_is_students_on_the_logit_scale_with_a_case_less_than_the_smaller_side_has(n_least, quantile):
    """Quantiles of t with 4, 2 and 1 degrees of freedom, from a table; logit(.8) = log 4."""
    half = quantile * 0.1 / (0.8 * 0.2)
    ends = [1 / (1 + np.exp(-(np.log(4) + side * half))) for side in (-1, 1)]
    assert auroc_interval(0.8, 0.01, n_least) == pytest.approx(ends, rel=1e-6)


@pytest.mark.parametrize(("value", "ends"), [(1.0, (0.025 ** (1 / 9), 1.0)), (0.0, (0.0, 1 - 0.025 ** (1 / 9)))])
def test_an_auroc_without_an_error_is_no_certainty(value, ends):
    assert auroc_interval(value, 0.0, 9) == pytest.approx(ends)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "signal"), [(120, 1.0), (400, 2.0)])
def test_intervals_hold_the_truth_as_often_as_they_say(n, signal):
    """500 studies of six sites; the truth is of 200,000 cases."""
    truth_of, labels_of = made_up(200_000, signal=signal, seed=99)
    large = tally_of(truth_of, labels_of)
    truth = pooled_auroc(large["positives"], large["negatives"]).value
    by_class, macro = np.zeros(4), 0
    for seed in range(500):
        total = in_sites(*made_up(n, signal=signal, seed=seed), 6)
        pooled = pooled_auroc(total["positives"], total["negatives"])
        n_least = np.minimum(total["positives"].sum(axis=1), total["negatives"].sum(axis=1))
        ends = [auroc_interval(*own) for own in zip(pooled.value, pooled.variance, n_least, strict=True)]
        by_class += [low <= true <= high for (low, high), true in zip(ends, truth, strict=True)]
        variance = macro_variance(pooled.variance, correlation(total["covariance"]), ALL)
        low, high = auroc_interval(pooled.value.mean(), variance, n_least.min())
        macro += low <= truth.mean() <= high
    assert 0.93 <= macro / 500 <= 0.97
    assert 0.93 <= by_class.mean() / 500 <= 0.97
