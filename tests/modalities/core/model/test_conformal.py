"""Conformal sets: thresholds from histograms, and what a histogram may say."""

import numpy as np
import pytest

from modalities.core.model.conformal import own_thresholds, rank_of, score_counts, sets_of, thresholds_of


def test_scores_are_counted_by_true_class_in_bins_of_a_hundredth():
    probabilities = np.array([[0.9, 0.1], [0.305, 0.695], [1.0, 0.0], [np.nan, np.nan]])
    counts = score_counts(probabilities, np.array([0, 1, 0, 1]))
    assert counts.shape == (2, 100)
    assert np.flatnonzero(counts[0]).tolist() == [0, 9]  # 1 - 1, and 1 - .9 up to the edge .1
    assert np.flatnonzero(counts[1]).tolist() == [30]
    assert counts.sum() == 3


def test_the_threshold_is_the_edge_that_ninety_percent_and_a_bit_lie_below():
    counts = np.zeros((3, 100))
    counts[0, :19] = 1  # 19 scores: the place is ceil(20 * .9) = 18
    counts[1, [3, 50]] = [8, 1]  # 9 scores: all of them
    counts[2, 7] = 8  # 8 are too few
    assert thresholds_of(counts).tolist() == pytest.approx([0.18, 0.51, 1.0])
    assert [rank_of(n) for n in (8, 9, 19, 100)] == [None, 9, 18, 91]


def test_a_place_that_is_a_whole_number_is_not_pushed_up_by_rounding():
    assert 100 * 0.55 > 55  # as floats multiply
    assert rank_of(99, coverage=0.55) == 55


def test_a_sites_own_threshold_is_drawn_towards_the_shared_one():
    scores = np.linspace(0.05, 0.5, 10)  # the place is ceil(11 * .9) = 10: .5
    probabilities = np.column_stack([1 - scores, scores])
    found = own_thresholds(probabilities, np.zeros(10, dtype=int), np.array([0.8, 0.6]))
    assert found[0] == pytest.approx((10 * 0.5 + 50 * 0.8) / 60)
    assert found[1] == 0.6  # nobody of the second class


def test_a_set_holds_every_class_up_to_its_threshold():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3]])
    shared = sets_of(probabilities, np.array([0.3, 0.75, 0.95]))
    assert shared.tolist() == [[True, False, True], [False, True, True]]
    by_case = sets_of(probabilities, np.array([[0.3, 0.8, 0.0], [1.0, 0.0, 0.0]]))
    assert by_case.tolist() == [[True, True, False], [True, False, False]]


def test_sets_cover_each_class_as_promised_on_new_cases_of_the_same_kind():
    rng = np.random.default_rng(1)
    labels = rng.choice(3, 6000, p=[0.7, 0.2, 0.1])
    logits = rng.normal(size=(6000, 3)) + 1.5 * np.eye(3)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    thresholds = thresholds_of(score_counts(probabilities[:3000], labels[:3000]))
    sets = sets_of(probabilities[3000:], thresholds)
    hit = sets[np.arange(3000), labels[3000:]]
    for index in range(3):
        assert 0.86 < hit[labels[3000:] == index].mean() < 0.96
