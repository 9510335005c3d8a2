"""Two models on the same cases, against numbers from each alone."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from strategies.evaluation.gain import gain_of, no_gain
from tests.strategies.evaluation.scores import made_up


def test_wins_recalls_and_losses_are_differences():
    federated, labels = made_up(71, n_classes=3, signal=2.0)
    local = made_up(71, n_classes=3, seed=0, signal=0.5)[0]
    gain = gain_of(federated, local, labels)
    for index in range(3):
        both = [roc_auc_score(labels == index, model[:, index]) for model in (federated, local)]
        assert gain["wins"][index] / gain["pairs"][index] == pytest.approx(both[0] - both[1])
        right = [(model.argmax(axis=1) == index)[labels == index].sum() for model in (federated, local)]
        assert gain["recall"][index, :2].tolist() == [(labels == index).sum(), right[0] - right[1]]
    logs = [-np.log(model[np.arange(71), labels]) for model in (federated, local)]
    assert gain["losses"][2:] == pytest.approx([(logs[0] - logs[1]).sum(), ((logs[0] - logs[1]) ** 2).sum()])
    assert gain["sites"].tolist() == [1, 1, 0]
    assert gain_of(local, federated, labels)["sites"].tolist() == [1, 0, 1]


def test_a_model_gains_nothing_over_itself_and_surely_so():
    federated, labels = made_up(40, n_classes=3)
    gain = gain_of(federated, federated, labels)
    assert not any(gain[name].any() for name in ("wins", "covariance", "losses"))
    assert gain["sites"].tolist() == [1, 0, 0]


def test_only_cases_that_both_say_something_of_count():
    federated, labels = made_up(50, n_classes=3, seed=2)
    local = federated[:, ::-1].copy()
    local[::2] = np.nan
    gain, half = gain_of(federated, local, labels), gain_of(federated[1::2], local[1::2], labels[1::2])
    assert gain["n"].tolist() == [25]
    assert {name: own.tolist() for name, own in gain.items()} == {name: own.tolist() for name, own in half.items()}


def test_a_site_with_too_few_cases_for_an_auroc_is_not_counted_as_one():
    federated, _ = made_up(10, n_classes=3)
    four, five = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1]), np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    assert gain_of(federated, federated, four)["sites"].tolist() == [0, 0, 0]
    assert gain_of(federated, federated, five)["sites"].tolist() == [1, 0, 0]
    nobody = gain_of(federated[:0], federated[:0], four[:0])
    assert {name: own.shape for name, own in nobody.items()} == {name: own.shape for name, own in no_gain(3).items()}
