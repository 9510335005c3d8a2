"""Metrics against numbers worked out by hand and against scikit-learn."""

import time

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss, roc_auc_score

from simulations.scores import metrics

CLASSES = ["LumA", "LumB", "Basal", "Her2"]


def made_up(n: int, n_classes: int = 4, seed: int = 0, steps: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities in a number of steps, so with ties, and labels they say something about."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(n_classes, n, p=np.arange(n_classes, 0, -1) / np.arange(n_classes + 1).sum())
    certain = rng.dirichlet(np.ones(n_classes), n) + 0.5 * np.eye(n_classes)[labels]
    return rng.multinomial(steps, certain / 1.5) / steps, labels


def two(p_second: list[float]) -> np.ndarray:
    return np.column_stack([1 - np.array(p_second), p_second])


def test_auroc_counts_a_tie_as_half():
    scores, positive = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True])
    weights = np.array([[1.0, 1, 1, 1], [1, 2, 1, 0], [0, 0, 1, 1]])
    # row 0: pairs (.4,.1)=1 (.4,.4)=1/2 (.8,.1)=1 (.8,.4)=1 -> 3.5/4; row 1: (1*1 + 2*1/2)/3; row 2: no negative left
    assert metrics.weighted_auroc(scores, positive, weights) == pytest.approx([3.5 / 4, 2 / 3, np.nan], nan_ok=True)


@pytest.mark.parametrize("steps", [5, 100, 10**9])
def test_every_resample_equals_sklearn_on_the_repeated_cases(steps):
    probabilities, labels = made_up(150, steps=steps)
    weights = metrics.case_weights(150, 20, seed=3)
    got = metrics.metric_draws(probabilities, labels, weights)
    for row, counts in enumerate(weights.astype(int)):
        y, p = np.repeat(labels, counts), np.repeat(probabilities, counts, axis=0)
        auroc = np.mean([roc_auc_score(y == c, p[:, c]) for c in range(4)])
        assert got["macro_auroc"][row] == pytest.approx(auroc, abs=1e-12)
        assert got["accuracy"][row] == pytest.approx((p.argmax(1) == y).mean(), abs=1e-12)
        assert got["balanced_accuracy"][row] == pytest.approx(balanced_accuracy_score(y, p.argmax(1)), abs=1e-12)
        assert got["macro_f1"][row] == pytest.approx(f1_score(y, p.argmax(1), average="macro"), abs=1e-12)


def test_summary_of_six_cases_worked_out_by_hand():
    probabilities, labels = two([0.1, 0.3, 0.6, 0.2, 0.9, 0.7]), np.array([0, 0, 0, 1, 1, 1])
    result = metrics.summarise(probabilities, labels, metrics.case_weights(6, 50), ["A", "B"])
    assert result["n"] == 6
    assert result["confusion"] == [[2, 1], [1, 2]]
    assert result["accuracy"]["value"] == result["balanced_accuracy"]["value"] == pytest.approx(4 / 6)
    assert result["macro_f1"]["value"] == pytest.approx(4 / 6)
    assert result["recall"] == {
        "A": {"value": pytest.approx(2 / 3), "n": 3},
        "B": {"value": pytest.approx(2 / 3), "n": 3},
    }
    assert result["log_loss"] == pytest.approx(log_loss(labels, probabilities))
    # top labels .9 right, .7 right, .6 wrong, .8 wrong, .9 right, .7 right; bins .6: .6, .7: .6 short, .8: .8, .9: .2
    assert result["plain_ece"] == pytest.approx((0.6 + 0.6 + 0.8 + 0.2) / 6)
    assert result["auroc"] == {"A": None, "B": None}, "three positives are too few"
    assert result["macro_auroc"] == {"value": None, "low": None, "high": None, "classes_counted": 0}


def test_the_upper_edge_belongs_to_its_bin():
    edges = np.array([0.25, 0.5, 0.50001, 0.999, 1.0])
    assert metrics.confidence_bin(edges).tolist() == [2, 4, 5, 9, 9]


def test_a_class_below_five_positives_is_left_out_of_the_macro_mean():
    probabilities, labels = made_up(60, 3)
    labels = np.where(labels == 2, 0, labels)
    labels[:4] = 2
    result = metrics.summarise(probabilities, labels, metrics.case_weights(60, 50), CLASSES[:3])
    assert result["auroc"]["Basal"] is None
    assert result["macro_auroc"]["classes_counted"] == 2
    expected = np.mean([roc_auc_score(labels == c, probabilities[:, c]) for c in (0, 1)])
    assert result["macro_auroc"]["value"] == pytest.approx(expected)
    labels[4] = 2
    result = metrics.summarise(probabilities, labels, metrics.case_weights(60, 50), CLASSES[:3])
    assert result["macro_auroc"]["classes_counted"] == 3


def test_a_single_class_has_accuracy_but_no_auroc():
    probabilities = made_up(30, 3)[0]
    result = metrics.summarise(probabilities, np.zeros(30, int), metrics.case_weights(30, 50), CLASSES[:3])
    assert result["macro_auroc"]["value"] is None
    assert result["accuracy"]["value"] == result["balanced_accuracy"]["value"] == (probabilities.argmax(1) == 0).mean()
    assert result["recall"]["LumB"] == {"value": None, "n": 0}


def test_no_cases_give_no_numbers():
    result = metrics.summarise(np.zeros((0, 3)), np.zeros(0, int), metrics.case_weights(0, 50), CLASSES[:3])
    assert result["n"] == 0
    assert result["accuracy"] == {"value": None, "low": None, "high": None}
    assert result["log_loss"] is None


def test_the_interval_covers_the_value_and_narrows_with_n():
    widths = []
    for n in (100, 1600):
        probabilities, labels = made_up(n)
        found = metrics.summarise(probabilities, labels, metrics.case_weights(n, 400), CLASSES)["macro_auroc"]
        assert found["low"] < found["value"] < found["high"]
        widths.append(found["high"] - found["low"])
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.35)  # sqrt(16)


@pytest.mark.parametrize("n", [40, 400])
@pytest.mark.parametrize("seed", range(5))
def test_the_interval_of_a_well_calibrated_models_ece_holds_its_value(n, seed):
    rng = np.random.default_rng(seed)
    top = rng.uniform(0.5, 1, n)
    labels = (rng.random(n) > top).astype(int)  # right as often as it says: class 0 with probability `top`
    found = metrics.summarise(two(list(1 - top)), labels, metrics.case_weights(n, 300), ["A", "B"])
    ece, plain = found["ece"], found["plain_ece"]
    assert 0 <= ece["low"] <= ece["value"] < ece["high"]
    assert ece["value"] < plain, "noise had added to it"
    alone = metrics.summarise(two(list(1 - top)), labels, metrics.case_weights(n, 1), ["A", "B"])["ece"]["value"]
    assert ece["value"] == pytest.approx(alone), "the value is that of the sample, whatever the resamples are"


def test_equivalence_is_tested_on_the_resamples_of_the_difference_alone():
    macro = np.array([0.5, -0.004, 0.004, 0.002])  # the sample itself is no resample
    tested = metrics.equivalence([({"macro_auroc": macro}, {"macro_auroc": np.zeros(4)})], margin=0.01)
    assert tested == pytest.approx({"margin": 0.01, "low": -0.0034, "high": 0.0038, "p": 0.25, "verdict": "equivalent"})
    assert metrics.equivalence([({"macro_auroc": macro}, {"macro_auroc": np.full(4, np.nan)})]) is None


def test_draws_are_the_sample_first_then_multinomial_counts():
    weights = metrics.case_weights(7, 30, seed=1)
    assert weights.shape == (31, 7)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 7).all()
    assert np.array_equal(weights, metrics.case_weights(7, 30, seed=1))
    assert not np.array_equal(weights, metrics.case_weights(7, 30, seed=2))


def test_identical_arms_differ_by_exactly_nothing():
    probabilities, labels = made_up(80)
    weights = metrics.case_weights(80, 100)
    nothing = {"value": 0.0, "low": 0.0, "high": 0.0}
    found = metrics.paired_difference(probabilities, probabilities.copy(), labels, weights)
    assert found == dict.fromkeys(metrics.PAIRED, nothing)
    found = metrics.paired_difference(probabilities, [probabilities, probabilities], labels, weights)
    assert found == dict.fromkeys(metrics.PAIRED, nothing)


def test_the_difference_to_a_list_is_to_the_mean_of_its_metrics_resample_by_resample():
    (a, labels), b, c = made_up(90), made_up(90, seed=1)[0], made_up(90, seed=2)[0]
    weights = metrics.case_weights(90, 60)
    found = metrics.paired_difference(a, [b, c], labels, weights)
    each = [metrics.metric_draws(p, labels, weights)["accuracy"] for p in (a, b, c)]
    draws = each[0] - (each[1] + each[2]) / 2
    assert found["accuracy"]["value"] == pytest.approx(draws[0])
    assert [found["accuracy"]["low"], found["accuracy"]["high"]] == pytest.approx(np.percentile(draws[1:], [2.5, 97.5]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, y, w: (p * 2, y, w), "sum to 1"),
        (lambda p, y, w: (np.where(p == p[0, 0], np.nan, p), y, w), "finite"),
        (lambda p, y, w: (p + np.array([-2.0, 2, 0, 0]), y, w), "negative"),
        (lambda p, y, w: (p, y + 4, w), "expected 0 to 3"),
        (lambda p, y, w: (p, y, w[1:]), "row 0"),
    ],
)
def test_wrong_input_is_refused(change, message):
    probabilities, labels = made_up(40)
    with pytest.raises(ValueError, match=message):
        metrics.metric_draws(*change(probabilities, labels, metrics.case_weights(40, 5)))


def test_a_thousand_resamples_of_788_cases_are_quick():
    probabilities, labels = made_up(788, steps=10**6)
    weights = metrics.case_weights(788, 1000)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        metrics.auroc_draws(probabilities, labels, weights)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.25, "about 0.03 s on an idle core; ten times that means a loop over resamples"
