"""A tally by hand, and that the tallies of parts add up to that of the whole."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss

from strategies.evaluation.tally import N_BINS, no_tally, tally_of, without_classes
from tests.strategies.evaluation.scores import made_up


def test_a_tally_by_hand():
    tally = tally_of(np.array([[0.9, 0.1], [0.4, 0.6], [0.0, 1.0], [np.nan, np.nan]]), np.array([0, 0, 1, 1]))
    assert tally["n"].tolist() == [3]
    assert np.flatnonzero(tally["positives"][0]).tolist() == [80, 180]
    assert np.flatnonzero(tally["negatives"][0]).tolist() == [0]
    assert np.flatnonzero(tally["positives"][1]).tolist() == [N_BINS - 1]
    assert tally["confusion"].tolist() == [[1, 1], [0, 1]]
    cases, right, confidence = tally["reliability"]
    assert np.flatnonzero(cases).tolist() == [5, 8, 9]  # .6 and .9 are the upper edges of theirs
    assert right[[5, 8, 9]].tolist() == [0, 1, 1]
    assert confidence[[5, 8, 9]] == pytest.approx([0.6, 0.9, 1.0])
    logs = -np.log([0.9, 0.4, 1.0])
    assert tally["losses"] == pytest.approx([0.02 + 0.72, 0.02**2 + 0.72**2, logs.sum(), (logs**2).sum()])
    assert not tally["pairs"].any()  # one case of the second class: no variance


def test_what_is_counted_of_all_cases_is_what_scikit_learn_counts():
    probabilities, labels = made_up(83, n_classes=3)
    tally = tally_of(probabilities, labels)
    assert tally["confusion"].tolist() == confusion_matrix(labels, probabilities.argmax(axis=1)).tolist()
    assert tally["losses"][0] / 83 == pytest.approx(brier_score_loss(labels, probabilities, labels=[0, 1, 2]))
    assert tally["losses"][2] / 83 == pytest.approx(log_loss(labels, probabilities))
    assert tally["positives"].sum(axis=1).tolist() == np.bincount(labels).tolist()
    assert (tally["positives"] + tally["negatives"]).sum(axis=1).tolist() == [83, 83, 83]


def test_tallies_of_parts_add_up_but_for_pairs_within():
    probabilities, labels = made_up(61, n_classes=3, seed=5)
    whole, parts = (
        tally_of(probabilities, labels),
        [tally_of(probabilities[rows], labels[rows]) for rows in (slice(0, 23), slice(23, 61))],
    )
    for name in ("n", "positives", "negatives", "confusion", "reliability", "losses"):
        assert parts[0][name] + parts[1][name] == pytest.approx(whole[name]), name
    assert ((parts[0]["pairs"] + parts[1]["pairs"]) < whole["pairs"]).all()


def test_no_case_gives_the_tally_of_nobody():
    nothing = tally_of(np.zeros((0, 3)), np.zeros(0, dtype=int))
    for name, array in no_tally(3).items():
        assert nothing[name].shape == array.shape == tally_of(*made_up(40, n_classes=3))[name].shape
        assert not nothing[name].any()


def test_a_class_that_is_left_out_leaves_the_others_as_they_were():
    tally = tally_of(*made_up(60, n_classes=3, seed=6))
    left = without_classes(tally, np.array([False, True, False]))
    for name in ("positives", "negatives", "confusion", "pairs", "wins"):
        assert not left[name][1].any()
        assert left[name][[0, 2]].tolist() == tally[name][[0, 2]].tolist()
    assert not left["covariance"][:, 1].any()
    assert left["losses"].tolist() == tally["losses"].tolist()
    assert tally["positives"][1].any()
