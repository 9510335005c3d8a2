"""How the reference arm chooses its strength when a class is rare."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.pipeline import make_pipeline

from simulations.reference import _log_likelihood

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
