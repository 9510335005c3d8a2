"""The numbers of a whole evaluation against scikit-learn and the cases themselves."""

import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, log_loss, roc_auc_score

from strategies.evaluation.answers import Scored, counted, own_answer, tallied
from strategies.evaluation.computed import Evaluated, results_of
from strategies.evaluation.results import Estimate
from tests.strategies.evaluation.scores import made_up

HELD, CLASSES = ["cnv", "hif"], ["LumA", "LumB", "Basal"]
N_OF = {"north": 83, "south": 61, "west": 47, "east": 9}


@pytest.fixture(scope="module")
def cases():
    """By site, labels and both models' probabilities on the fused test cases; the federated one knows more."""
    made = {}
    for seed, (site, n) in enumerate(N_OF.items()):
        federated, labels = made_up(n, n_classes=3, signal=2.0, seed=seed)
        local = 0.5 * federated + 0.5 * np.random.default_rng(seed).dirichlet(np.ones(3), n)
        made[site] = labels, federated, local
    return made


def evaluated(cases, full=tuple(N_OF), min_cell=5, margin=0.01):
    scored = {
        site: {("test", "fused"): Scored(labels, {"federated": federated, "local": local})}
        for site, (labels, federated, local) in cases.items()
    }
    counts = [counted(own, HELD, 3) for own in scored.values()]
    totals = {name: sum(own[name] for own in counts) for name in counts[0]}
    tallies = [tallied(own, HELD, 3, min_cell, totals) for own in scored.values()]
    sums = {name: sum(own[name] for own in tallies) for name in tallies[0]}
    told = {site: own_answer(scored[site], HELD, 3, min_cell) for site in full}
    shares = {site: "full" if site in full else "sums" for site in scored}
    return Evaluated(sums, told, shares, ["west"], HELD, CLASSES, np.array([50.0, 30, 20]), margin, 7)


@pytest.fixture(scope="module")
def results(cases):
    return results_of(evaluated(cases))


@pytest.fixture(scope="module")
def pooled(cases):
    return tuple(np.concatenate(own) for own in zip(*cases.values(), strict=True))


def test_the_federated_model_has_the_numbers_of_all_cases_in_one_place(results, pooled):
    labels, federated, _ = pooled
    found = results.test["federated"]["fused"]
    exact = [roc_auc_score(labels == place, federated[:, place]) for place in range(3)]
    assert found.n == 200
    assert abs(found.macro_auroc.value - np.mean(exact)) <= found.macro_auroc.bound < 0.003
    for place, name in enumerate(CLASSES):
        assert abs(found.auroc[name].value - exact[place]) <= found.auroc[name].bound
        assert found.auroc[name].low < exact[place] < found.auroc[name].high
    predicted = federated.argmax(axis=1)
    assert found.confusion == confusion_matrix(labels, predicted).tolist()
    assert found.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found.accuracy.value == pytest.approx((predicted == labels).mean())
    assert found.recall["Basal"].value == pytest.approx((predicted == labels)[labels == 2].mean())
    assert found.log_loss.value == pytest.approx(log_loss(labels, federated))
    assert found.brier.value == pytest.approx(np.square(federated - np.eye(3)[labels]).sum(axis=1).mean())
    assert found.ece.low <= found.ece.value <= found.ece.high
    assert sum(own["n"] for own in found.reliability) == 200


def test_the_prior_knows_the_classes_and_no_case(results, pooled):
    found, shares = results.test["prior"]["fused"], np.array([0.5, 0.3, 0.2])
    assert found.macro_auroc == Estimate(0.5, 0.5, 0.5, bound=0.0)
    assert found.balanced_accuracy.value == pytest.approx(1 / 3)
    assert found.log_loss.value == pytest.approx(-np.log(shares[pooled[0]]).mean())


def test_the_gain_is_over_pairs_of_cases_of_the_same_site(results, cases):
    wins, pairs = np.zeros(3), np.zeros(3)
    for labels, federated, local in cases.values():
        for place in range(3):
            positive = labels == place
            if 2 <= positive.sum() <= len(labels) - 2:
                n = positive.sum() * (~positive).sum()
                both = [roc_auc_score(positive, model[:, place]) for model in (federated, local)]
                wins[place], pairs[place] = wins[place] + n * (both[0] - both[1]), pairs[place] + n
    gain = results.gain["test"]["fused"]
    assert gain.macro_auroc.value == pytest.approx((wins / pairs).mean())
    assert gain.auroc["LumB"].value == pytest.approx(wins[1] / pairs[1])
    assert gain.macro_auroc.low > 0
    assert (gain.sites, gain.sites_that_gain, gain.sites_that_lose) == (3, 3, 0)
    assert gain.verdict == "superior"
    assert gain.balanced_accuracy.value == pytest.approx(
        results.test["federated"]["fused"].balanced_accuracy.value
        - results.test["local"]["fused"].balanced_accuracy.value
    )


def test_the_gain_in_balanced_accuracy_has_the_interval_of_a_mean_of_means_down_to_two_cases_a_class():
    labels = np.array([0] * 17 + [1] * 12 + [2] * 2)
    rng = np.random.default_rng(3)
    federated, local = rng.dirichlet(np.ones(3), (2, len(labels)))
    federated[-2:], local[-2:] = [[0.1, 0.2, 0.7], [0.6, 0.1, 0.3]], [[0.2, 0.7, 0.1], [0.5, 0.1, 0.4]]
    better = (federated.argmax(axis=1) == labels).astype(float) - (local.argmax(axis=1) == labels)
    of_class = [better[labels == place] for place in range(3)]
    assert of_class[2].tolist() == [1, 0]
    value = np.mean([own.mean() for own in of_class])
    half = 1.959964 * np.sqrt(sum(own.var(ddof=1) / len(own) for own in of_class)) / 3
    gain = results_of(evaluated({"north": (labels, federated, local)}, full=(), min_cell=0)).gain["test"]["fused"]
    found = gain.balanced_accuracy
    assert (found.value, found.low, found.high) == pytest.approx((value, value - half, value + half), rel=1e-6)


def test_a_sites_gain_has_a_normal_interval_and_its_models_one_on_the_logit_scale(results):
    own = {model: results.sites["north"].results[model]["fused"].macro_auroc for model in ("federated", "gain")}
    gain, federated = own["gain"], own["federated"]
    assert gain.high - gain.value == pytest.approx(gain.value - gain.low)
    low, value, high = (np.log(p / (1 - p)) for p in (federated.low, federated.value, federated.high))
    assert high - value == pytest.approx(value - low)
    assert federated.high - federated.value < federated.value - federated.low


def test_a_model_that_gains_nothing_is_not_called_equivalent_for_want_of_cases(cases):
    rng = np.random.default_rng(1)
    shuffled = {
        site: (labels, *(rng.dirichlet(np.ones(3), len(labels)) for _ in range(2)))
        for site, (labels, *_) in cases.items()
    }
    gain = results_of(evaluated(shuffled)).gain["test"]["fused"]
    assert gain.macro_auroc.low < 0 < gain.macro_auroc.high
    assert gain.verdict != "equivalent"
    alike = {
        site: (labels, own, 0.99 * own + 0.01 * rng.dirichlet(np.ones(3), len(labels)))
        for site, (labels, own, _) in cases.items()
    }
    assert results_of(evaluated(alike)).gain["test"]["fused"].verdict == "equivalent"


def test_sites_stand_with_what_they_tell_and_small_groups_with_the_reason(cases):
    results = results_of(evaluated(cases, full=("north", "west", "east"), min_cell=10))
    assert {site: (own.shares, own.is_external) for site, own in results.sites.items()} == {
        "east": ("full", False),
        "north": ("full", False),
        "south": ("sums", False),
        "west": ("full", True),
    }
    north = results.sites["north"].results
    labels, federated, _ = cases["north"]
    exact = [roc_auc_score(labels == place, federated[:, place]) for place in range(3)]
    assert north["federated"]["fused"].macro_auroc.value == pytest.approx(np.mean(exact))
    assert north["gain"]["fused"].macro_auroc.value > 0
    assert results.sites["south"].results == results.sites["east"].results == {}  # east has 9 cases
    meta = results.meta["federated"]["fused"]
    assert (meta.sites, meta.macro_auroc.value) == (2, None)
    assert meta.macro_auroc.reason == "2 sites tell theirs, and a random-effects analysis takes 3"


def test_three_sites_say_what_a_new_hospital_may_see(results):
    meta = results.meta["federated"]["fused"]
    assert meta.sites == 3
    assert meta.prediction_low <= meta.macro_auroc.low < meta.macro_auroc.value < meta.macro_auroc.high <= 1


def test_a_class_that_is_small_in_all_is_not_counted_and_says_why(cases):
    few = {site: (np.where(labels == 2, 0, labels), *both) for site, (labels, *both) in cases.items()}
    few["north"][0][:4] = 2
    found = results_of(evaluated(few)).test["federated"]["fused"]
    assert found.auroc["Basal"].value is None
    assert found.auroc["Basal"].reason.startswith("fewer than 5 cases of the class")
    assert found.recall["Basal"].value is None
    assert found.macro_auroc.value == pytest.approx((found.auroc["LumA"].value + found.auroc["LumB"].value) / 2)


def test_the_plain_form_is_json_with_the_models_on_top(results):
    plain = json.loads(json.dumps(results.to_plain(), allow_nan=False))
    assert set(plain) == {"federated", "local", "prior", "out_of_fold", "gain", "sites", "sites_by_policy", "meta"}
    assert plain["federated"]["fused"]["macro_auroc"].keys() == {"value", "bound", "low", "high", "reason"}
    assert plain["out_of_fold"]["federated"] == {}


def test_nothing_sent_is_nothing_said():
    nothing = results_of(Evaluated({}, {}, {"north": "none"}, [], HELD, CLASSES, np.zeros(3), 0.01, 0))
    assert nothing.test == {"federated": {}, "local": {}, "prior": {}}
    assert nothing.sites["north"].shares == "none"
