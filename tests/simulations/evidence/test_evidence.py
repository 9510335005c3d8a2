"""Evidence from tables worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from simulations.evidence.balance import balance
from simulations.evidence.calibration import reliability, uncalibrated
from simulations.evidence.conformal import coverage
from simulations.evidence.errors import error_correlation, summary_of
from simulations.evidence.probe import auroc


def table(arm, name, chosen, labels, sites=None):
    """Predictions that give the chosen class .8, of two classes."""
    rows = {"arm": arm, "set": name, "case_id": [f"c{i}" for i in range(len(labels))], "site": sites or "s", "fold": 1}
    first = [0.8 if one == 0 else 0.2 for one in chosen]
    return pd.DataFrame({**rows, "label": labels, "p_0": first, "p_1": [1 - p for p in first]})


def test_phi_and_double_faults_of_ten_cases():
    wrong = np.zeros((10, 2), dtype=bool)
    wrong[[0, 1, 2, 3], 0] = True
    wrong[[2, 3, 4, 5, 6], 1] = True
    fused = np.zeros(10, dtype=bool)
    fused[[2, 3, 4]] = True
    found = summary_of(wrong, fused)
    assert found["wrong"] == [0.4, 0.5]
    assert found["both_wrong"][0][1] == found["all_wrong"] == pytest.approx(0.2)
    assert found["phi"][0][1] == pytest.approx(0.0)  # .2 = .4 * .5
    assert found["phi"][0][0] == pytest.approx(1.0)
    assert found["split"] == pytest.approx(0.5)  # cases 0, 1, 4, 5, 6
    assert found["split_fused_right"] == pytest.approx(0.8)  # all but case 4


def test_a_branch_that_is_never_wrong_has_no_phi():
    wrong = np.array([[True, False], [False, False], [True, False]])
    assert summary_of(wrong, wrong[:, 0])["phi"][0][1] is None


def test_errors_are_compared_on_the_complete_cases_and_an_arm_without_a_branch_is_left_out():
    labels = [0, 1, 0, 1, 0, 1]
    full = [table("federated", name, labels, labels) for name in ("x", "y", "fused")]
    other = [table("reference", name, labels, labels) for name in ("x", "fused")]
    full[0], other[0] = full[0].iloc[:5], other[0].iloc[:5]  # the last case lacks x
    found = error_correlation(pd.concat([*full, *other]), ["x", "y"], 2)
    assert set(found) == {"federated"}
    assert found["federated"]["n"] == 5


def test_taking_the_temperature_back_gives_the_softmax_before():
    logits = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])
    temperatures = np.array([0.8, 2.5])

    def softmax(values):
        return np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)

    after = softmax(logits / temperatures[:, None])
    np.testing.assert_allclose(uncalibrated(after, temperatures), softmax(logits))


def test_ece_is_the_mean_distance_of_bins_from_the_line_less_what_noise_adds_to_it():
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.35, 0.65], [0.65, 0.35]])
    found = reliability(probabilities, np.array([0, 1, 1, 0]))
    assert [one["n"] for one in found["bins"]] == [2, 2]
    assert [one["right"] for one in found["bins"]] == [1.0, 0.5]
    folded = 0.125493 + 0.35860  # E|x|, x normal around .45 with variance .5 (1 - .5) / 2; the other bin has none
    assert found["ece"] == pytest.approx((2 * 0.35 + 2 * (2 * 0.45 - folded)) / 4, abs=1e-5)


def test_coverage_is_by_site_and_class_and_too_few_cases_are_na():
    labels, chosen = [0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 0]
    sites = ["north"] * 6 + ["south"] * 2
    # score of a case that is right: .2, wrong: .8
    details = {
        "federated": [{"conformal": {"shared": [0.3, 0.9], "sites": {"north": [0.85, 0.9]}, "temperature": 1.0}}]
    }
    found = coverage(table("federated", "fused", chosen, labels, sites), details, ["x"], ["A", "B"])["federated"]
    # shared: class 0 is in a set where p_0 is .8, class 1 always
    assert found["overall"]["n"] == 8
    assert found["overall"]["shared"] == {"coverage": pytest.approx(7 / 8), "size": pytest.approx((5 * 2 + 3) / 8)}
    assert found["by_site"]["north"]["shared"]["coverage"] == pytest.approx(5 / 6)
    assert found["by_site"]["north"]["own"] == {"coverage": 1.0, "size": 2.0}
    assert found["by_site"]["south"]["own"] == {"coverage": None, "size": None}  # n/a: two cases
    assert found["by_class"]["A"]["shared"]["coverage"] == pytest.approx(4 / 5)
    assert found["by_class"]["B"]["shared"]["coverage"] is None
    assert found["sizes"] == [0, 3, 5]


def test_no_thresholds_no_coverage():
    assert coverage(table("federated", "fused", [0], [0]), {"federated": [{}]}, ["x"], ["A", "B"]) == {}


def test_auroc_compares_within_strata_only():
    scores = np.array([0.9, 0.8, 0.3, 0.2])
    positive = np.array([True, True, False, False])
    one = np.zeros(4, dtype=int)
    assert auroc(scores, positive, one) == 1.0
    assert auroc(np.array([0.9, 0.1, 0.5, 0.2]), positive, one) == 0.5  # 2 of 4 pairs
    assert auroc(np.array([0.9, 0.1, 0.5, 0.2]), positive, np.array([0, 1, 0, 1])) == 0.5  # one pair each
    assert np.isnan(auroc(scores, positive, np.array([0, 0, 1, 1])))


def test_balance_counts_cases_and_sites_of_each_fold():
    counts = pd.DataFrame([[4, 0], [0, 2], [4, 2]], index=["n", "s", "w"], columns=[0, 1])
    found = balance(counts, {"n": 1, "s": 1, "w": 2}, ["A", "B"], 2)
    assert found["folds"]["1"] == {"sites": 2, "cases": {"A": 4, "B": 2}}
    assert found["deviation"] == pytest.approx(0.0)
    assert balance(counts, {"n": 1, "s": 2, "w": 2}, ["A", "B"], 2)["deviation"] == pytest.approx(1.0)
