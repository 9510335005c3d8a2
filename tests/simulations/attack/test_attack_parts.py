"""What an attack is made of, against numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch

from simulations.attack.counts import class_counts
from simulations.attack.measure import CURVE, measured, true_positives
from simulations.attack.membership import likelihood_ratios
from simulations.attack.sums import group_of, opened, ring
from simulations.attack.training import margins_of


def test_class_counts_by_hand():
    before = {"head.bias": np.array([0.25, -0.5, 0.0], np.float32)}
    # 8 cases: 5, 1 and 2 of the classes; mean p = (.5, .3, .2), so that the gradient is (-.125, .175, -.05)
    after = {"head.bias": before["head.bias"] - 0.5 * np.array([-0.125, 0.175, -0.05], np.float32)}
    counts = class_counts(before, after, 8, 0.5, np.array([0.5, 0.3, 0.2]))
    assert counts == pytest.approx([5, 1, 2], abs=1e-5)


def test_a_margin_is_the_log_odds_of_the_true_class():
    logits = torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], dtype=torch.float64).log()
    assert margins_of(logits, torch.tensor([1, 0])) == pytest.approx([0.0, math.log(0.1 / 0.9)])


def test_likelihood_ratios_by_hand():
    """Study 0 is attacked: for the one case, 1 and 3 are in (2 and 4), 2 and 4 are out (0 and 2)."""
    seen = np.array([[3.5, 1.0], [2.0, 1.0], [0.0, 1.0], [4.0, 1.0], [2.0, np.nan]])
    members = np.array([[True, True], [True, True], [False, True], [True, True], [False, True]])
    (ratios,) = likelihood_ratios(seen, members, [0])
    # means 3 and 1, variance (1 + 1 + 1 + 1) / (4 - 2) = 2: ((3.5 - 1)^2 - (3.5 - 3)^2) / 4
    assert ratios[0] == pytest.approx(1.5)
    assert np.isnan(ratios[1])  # nothing tells what its absence looks like


def test_what_a_target_says_of_itself_does_not_count_among_its_shadows():
    generator = np.random.default_rng(3)
    seen, members = generator.normal(size=(40, 200)), generator.random((40, 200)) < 0.5
    ratios = likelihood_ratios(seen, members, range(40))
    found = measured(ratios, members, 0)["auc"]
    assert found["low"] < 0.5 < found["high"]  # with it, pure noise would give .56


def test_the_share_found_is_that_above_the_threshold_which_accuses_few_enough():
    scores = np.array([5.0, 4.0, 3.0, 2.0, 4.5, 2.5, 1.0, 0.5])
    positive = np.array([True, True, True, True, False, False, False, False])
    once = np.ones((1, 8))
    rates = true_positives(scores, positive, once, (0.1, 0.25, 0.5, 1.0))
    assert rates[:, 0].tolist() == [0.25, 0.75, 1.0, 1.0]
    twice = np.array([[0, 1, 1, 2, 1, 1, 1, 1.0]])  # the first is not drawn, the fourth twice
    assert true_positives(scores, positive, twice, (0.25,))[0, 0] == pytest.approx(2 / 4)


def test_scores_that_are_all_alike_find_nobody():
    scores, positive = np.ones(6), np.array([True, False] * 3)
    assert true_positives(scores, positive, np.ones((1, 6)), (0.01, 0.5))[:, 0].tolist() == [0.0, 0.0]


def test_a_measure_counts_trials_and_cases_without_those_unknown():
    scores = np.array([[2.0, 1.0, np.nan], [0.0, 3.0, np.nan]])
    inside = np.array([[True, False, True], [False, True, False]])
    found = measured(scores, inside, 0)
    assert (found["cases"], found["trials"]) == (2, 4)
    assert found["auc"]["value"] == 1.0
    assert len(found["curve"]) == len(CURVE)
    assert found["curve"][-1] == 1.0


def test_every_site_has_a_group_of_each_size_that_is_the_same_in_every_study():
    order = ring([2, 3, 5, 7, 11], 0, "cnv")
    assert sorted(order) == [2, 3, 5, 7, 11]
    assert order == ring([2, 3, 5, 7, 11], 0, "cnv")
    for site in order:
        group = group_of(site, order, 3)
        assert group[0] == site
        assert len(set(group)) == 3
        assert set(group_of(site, order, 5)) == set(order)


def test_an_opened_sum_is_the_mean_over_cases():
    updates = {0: ({"w": np.array([1.0, 2.0])}, 3), 4: ({"w": np.array([5.0, 0.0])}, 1), 6: ({"w": np.zeros(2)}, 9)}
    sum_of_two = opened(updates, [0, 4, 5])  # site 5 has no case
    assert sum_of_two is not None
    mean, n = sum_of_two
    assert n == 4
    assert mean["w"].tolist() == [2.0, 1.5]
    assert opened(updates, [5]) is None
