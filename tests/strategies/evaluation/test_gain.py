"""Two models on the same cases, against numbers from each alone."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from strategies.evaluation.gain import gain_of, no_gain
from strategies.evaluation.pooled import Z, within_sites
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


def two_models(n, seed):
    """Labels, and two models that see much the same of a case, the first of them more clearly."""
    rng = np.random.default_rng(seed)
    labels, seen = rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1]), rng.normal(size=(n, 4))
    logits = [0.7 * seen + 0.7 * rng.normal(size=(n, 4)) + signal * np.eye(4)[labels] for signal in (1.5, 1.0)]
    return labels, *(np.exp(own) / np.exp(own).sum(axis=1, keepdims=True) for own in logits)


@pytest.mark.slow
@pytest.mark.parametrize("n", [120, 300])
def test_intervals_of_the_gain_hold_the_truth_as_often_as_they_say(n):
    """500 studies of six sites; the truth is of 200,000 cases."""
    labels, first, second = two_models(200_000, 1)
    truth = np.mean(
        [roc_auc_score(labels == c, first[:, c]) - roc_auc_score(labels == c, second[:, c]) for c in range(4)]
    )
    held = 0
    for seed in range(500):
        labels, first, second = two_models(n, seed + 10)
        gains = [gain_of(first[own], second[own], labels[own]) for own in np.array_split(np.arange(n), 6)]
        total = {name: sum(gain[name] for gain in gains) for name in gains[0]}
        value, variance = within_sites(*(total[name] for name in ("pairs", "wins", "covariance")), total["pairs"] > 0)
        held += abs(value - truth) <= Z * np.sqrt(variance)
    assert 0.93 <= held / 500 <= 0.97
