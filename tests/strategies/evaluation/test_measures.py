"""Values by hand, intervals against other libraries' and by how often they hold the truth."""

import numpy as np
import pytest
from scipy.stats import beta
from statsmodels.stats.proportion import proportion_confint

from strategies.evaluation.measures import balanced, ece, mean, share


def test_a_share_has_wilsons_interval():
    assert share(17.0, 23.0) == pytest.approx((17 / 23, *proportion_confint(17, 23, method="wilson")))


def test_a_mean_is_of_the_sums():
    values = np.array([0.2, 0.9, 1.4, 0.1, 0.4])
    value, low, high = mean(np.array([values.sum(), np.square(values).sum()]), 5.0)
    half = 1.959963984540054 * values.std(ddof=1) / np.sqrt(5)
    assert (value, low, high) == pytest.approx((0.6, 0.6 - half, 0.6 + half))


def test_balanced_accuracy_weighs_classes_alike_and_its_interval_holds_it():
    value, low, high = balanced(np.array([30.0, 1.0]), np.array([40.0, 4.0]), seed=1)
    assert value == pytest.approx((0.75 + 0.25) / 2)
    assert low < value < high
    sure = balanced(np.array([8.0, 5.0]), np.array([8.0, 5.0]), seed=1)
    assert sure[0] == sure[2] == 1.0
    assert 0.6 < sure[1] < 0.95


def test_the_interval_of_a_single_recall_is_jeffreyss():
    """2,000 draws leave a standard error of .004 at either end."""
    _, low, high = balanced(np.array([30.0]), np.array([40.0]), seed=1)
    assert (low, high) == pytest.approx(beta.ppf([0.025, 0.975], 30.5, 10.5), abs=0.008)


def test_intervals_of_balanced_accuracy_hold_the_truth_as_often_as_they_say():
    rng, held = np.random.default_rng(5), 0
    n, truth = np.array([60, 25, 12]), np.array([0.9, 0.7, 0.5])
    for seed in range(500):
        _, low, high = balanced(rng.binomial(n, truth).astype(float), n.astype(float), seed)
        held += low <= truth.mean() <= high
    assert 0.93 <= held / 500 <= 0.97


def test_an_ece_lies_inside_its_interval_and_is_0_where_confidence_is_right():
    cases, confidence = np.array([0.0, 0, 0, 0, 0, 50, 40, 0, 0, 110]), np.linspace(0.05, 0.95, 10)
    off = np.stack([cases, cases * (confidence - 0.15), cases * confidence])
    value, low, high = ece(off, seed=2)
    assert low < value < high
    assert value == pytest.approx(0.15, abs=0.002)  # so far off that noise adds next to nothing
    right = ece(np.stack([cases, cases * confidence, cases * confidence]), seed=2)
    assert right[0] == right[1] == 0.0
