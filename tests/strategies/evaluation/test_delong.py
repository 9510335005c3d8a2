"""AUROCs against scikit-learn, covariances against DeLong's own formula on the matrix of all pairs."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from strategies.evaluation.delong import aurocs, influences, pair_counts, placements
from tests.strategies.evaluation.scores import made_up


def by_all_pairs(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """DeLong's covariance of the AUROCs of several columns, for one division into positives and negatives."""
    psi = (scores[positive][:, None] > scores[~positive][None]) + 0.5 * (
        scores[positive][:, None] == scores[~positive][None]
    )
    m, n = psi.shape[:2]
    s10, s01 = np.cov(psi.mean(axis=1).T, ddof=1), np.cov(psi.mean(axis=0).T, ddof=1)
    return np.atleast_2d(s10 / m + s01 / n)


def test_placements_count_pairs_and_a_tie_as_half():
    placed = placements(np.array([0.3, 0.5, 0.5, 0.9]), np.array([False, True, False, True]))
    # of .5: above .3, tied with .5: 3/4; of .9: both. Of .3: below both; of the other .5: tied with .5, below .9: 3/4
    assert placed.tolist() == [1.0, 0.75, 0.75, 1.0]


def test_aurocs_are_those_of_scikit_learn():
    probabilities, labels = made_up(137)
    probabilities = probabilities.round(2)  # with ties
    expected = [roc_auc_score(labels == index, probabilities[:, index]) for index in range(4)]
    assert aurocs(probabilities, labels) == pytest.approx(expected, abs=1e-12)


def test_variances_are_delongs_and_those_of_two_models_are_paired():
    probabilities, labels = made_up(91, seed=1)
    others = 0.7 * probabilities + 0.3 * made_up(91, seed=2)[0]
    mine, theirs = influences(probabilities, labels), influences(others, labels)
    for index in range(4):
        expected = by_all_pairs(np.stack([probabilities[:, index], others[:, index]], axis=1), labels == index)
        assert np.square(mine[:, index]).sum() == pytest.approx(expected[0, 0], rel=1e-12)
        assert (mine * theirs)[:, index].sum() == pytest.approx(expected[0, 1], rel=1e-12)
        of_difference = expected[0, 0] + expected[1, 1] - 2 * expected[0, 1]
        assert np.square(mine - theirs)[:, index].sum() == pytest.approx(of_difference, rel=1e-10)


def test_the_variance_of_the_macro_auroc_is_that_of_resampled_cases():
    probabilities, labels = made_up(400, seed=3)
    rng = np.random.default_rng(0)
    draws = [
        aurocs(probabilities[rows], labels[rows]).mean() for rows in (rng.integers(0, 400, 400) for _ in range(800))
    ]
    estimated = np.square(influences(probabilities, labels).mean(axis=1)).sum()
    assert np.sqrt(estimated) == pytest.approx(np.std(draws), rel=0.1)  # of 800 draws the deviation is off by 2.5 %


def test_a_class_without_two_cases_on_either_side_has_no_auroc_no_pairs_and_no_influence():
    probabilities, labels = made_up(30, n_classes=3, seed=4)
    labels = np.where(np.arange(30) == 7, 2, np.where(labels == 2, 0, labels))
    assert np.isnan(aurocs(probabilities, labels)).tolist() == [False, False, True]
    assert not influences(probabilities, labels)[:, 2].any()
    n = (labels == 0).sum()
    assert pair_counts(labels, 3).tolist()[::2] == [n * (30 - n), 0]
