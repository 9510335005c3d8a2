"""The reference arm: how it chooses its strength when a class is rare, and cases that are no vectors."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.pipeline import make_pipeline

from modalities.core.contract import Cases
from modalities.core.settings.federation import federation_from
from simulations.arms.reference import _log_likelihood, as_vectors

RNG = np.random.default_rng(3)
VALUES, LABELS = RNG.normal(size=(23, 5)), np.arange(23) % 3
MODEL = make_pipeline(LogisticRegression()).fit(VALUES, LABELS)


def test_strength_is_judged_as_scikit_learn_judges_it_where_every_class_is_known():
    usual = get_scorer("neg_log_loss")(MODEL, VALUES, LABELS)
    assert _log_likelihood(MODEL, VALUES, LABELS) == pytest.approx(usual, rel=1e-12)


def test_case_of_a_class_that_the_fold_lacks_counts_as_never_expected():
    labels = LABELS.copy()
    labels[0] = 7
    known = _log_likelihood(MODEL, VALUES[1:], labels[1:])
    assert _log_likelihood(MODEL, VALUES, labels) == pytest.approx((22 * known + np.log(np.finfo(float).eps)) / 23)


def test_bags_and_graphs_take_part_as_the_mean_of_their_rows():
    bags = [np.array([[1.0, 2.0], [3.0, 6.0]], np.float32), np.array([[5.0, 7.0]], np.float32)]
    configs = federation_from({"modalities": {"wsi_image": {}, "hif": {}}}).modalities
    seen = as_vectors(Cases(("a", "b"), bags), configs["wsi_image"])
    assert seen.values.tolist() == [[2.0, 4.0], [5.0, 7.0]]
    table = Cases(("a",), np.zeros((1, 3), np.float32))
    assert as_vectors(table, configs["hif"]) is table
