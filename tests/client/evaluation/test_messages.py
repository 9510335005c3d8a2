"""The evaluation at simulated sites, against the simulation's code and scikit-learn; and what leaves of it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score

from client.alone.model import fit_pooled
from modalities.core.fusion.head import head_named
from modalities.core.model.calibration import TEMPERATURE, calibrated
from modalities.core.site.store import SiteData
from server.state.release import fitted_model
from simulations.arms import scoring
from simulations.arms.held_out import outputs_by_site
from simulations.scores.predictions import LOCAL
from strategies.checks import NO_SETTINGS
from strategies.evaluation.names import parted
from tests.client.evaluation.asked import ask, final_model, policy_line, scores_in, seconds
from tests.support import FIRST_NODE, WatchedGrid, run_small, small_federation, write_sites

SHORT = {"epochs": 3, "patience": 0}
FEDERATION = small_federation(modalities__cnv__training=SHORT, modalities__hif__training=SHORT)
COLUMNS = ["p_0", "p_1", "p_2", "p_3"]
HELD = {1: ["cnv", "hif"], 2: ["cnv"], 3: ["cnv", "hif"]}
N_CASES = (61, 17, 23)
POLICIES = {1: "full", 2: "sums", 3: "none"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = write_sites(tmp_path_factory.mktemp("sites"), FEDERATION, list(HELD.values()), N_CASES)
    for number, policy in POLICIES.items():
        policy_line(root / f"site_{number}", f"evaluation: {policy}")
    return root


@pytest.fixture(scope="module")
def grid(root):
    return WatchedGrid(root)


@pytest.fixture(scope="module")
def study(root, grid):
    """A finished one, which every site evaluated; that is, up to the questions that the tests ask."""
    found = run_small(root, FEDERATION, grid)
    assert float(found.calibration[TEMPERATURE][0]) != 1.0  # so that it is seen if it is left out
    for number, held in HELD.items():
        done = ask(grid.inner, number, "query.local", seconds(1.0)).content["config.study"]["done"]
        assert done is True
        assert len(ask(grid.inner, number, "query.scoring", final_model(found, held)).content) == 0
    return found


def context_of(grid, number):
    return grid.inner._contexts[FIRST_NODE + number - 1]


def expected(root, number, model, arm):
    """By SET, labels and probabilities of the site's test cases, from the simulation's code; by case id."""
    site = SiteData(root / f"site_{number}", FEDERATION)
    tested = scoring.test_cases([site], FEDERATION)
    table = scoring.score(model, tested, arm, subsets=False).set_index("case_id")
    everything = tested.holds.index[tested.holds.all(axis=1)]
    by_set = {name: own for name, own in table.groupby("set") if name in HELD[number] or name == "fused"}
    by_set["fused_complete"] = by_set["fused"][by_set["fused"].index.isin(everything)]
    return site, by_set


def check_tests(root, grid, number, model, arm, name):
    """The scores that the node keeps are those, to the last bit, and of no other case."""
    site, by_set = expected(root, number, model, arm)
    kept = scores_in(context_of(grid, number), "test", name)
    assert set(kept) == {*by_set, "labels"}
    for of, own in by_set.items():
        frame = pd.DataFrame(kept[of], index=site.tested.index, columns=COLUMNS).dropna()
        assert sorted(frame.index) == sorted(own.index)
        np.testing.assert_array_equal(frame.loc[own.index].to_numpy(), own[COLUMNS].to_numpy())
        labels = pd.Series(kept["labels"], index=site.tested.index)
        assert labels[own.index].tolist() == own["label"].tolist()


@pytest.mark.parametrize("number", [1, 2])
def test_the_finished_model_says_of_a_sites_test_cases_what_the_release_says(root, grid, study, number):
    check_tests(root, grid, number, fitted_model(study), "federated", "federated")


@pytest.mark.parametrize("number", [1, 2])
def test_a_sites_own_model_is_the_simulations_local_arm(root, grid, study, number):
    arm = f"{LOCAL}site_{number}"
    fitted = fit_pooled([SiteData(root / f"site_{number}", FEDERATION)], FEDERATION, arm)
    check_tests(root, grid, number, fitted.model, arm, "local")
    site = SiteData(root / f"site_{number}", FEDERATION)
    kept = scores_in(context_of(grid, number), "training", "local")
    frame = pd.DataFrame(kept["fused"], index=pd.Index(site.listed.case_ids)).dropna()
    assert sorted(frame.index) == list(fitted.held_out.case_ids)
    said = fitted.model.probabilities(fitted.held_out.outputs)
    np.testing.assert_array_equal(frame.loc[list(fitted.held_out.case_ids)].to_numpy(), said)


@pytest.mark.parametrize("number", [1, 2])
def test_training_cases_are_scored_by_the_copies_that_never_saw_them(root, grid, study, number):
    site = SiteData(root / f"site_{number}", FEDERATION)
    outputs, labels = outputs_by_site(study, [site])[f"site_{number}"]
    kept = scores_in(context_of(grid, number), "training", "federated")
    assert kept["labels"].tolist() == labels.tolist()
    for name in HELD[number]:
        held = outputs.present[name].numpy()
        assert held.sum() == len(site.training_cases(name))
        np.testing.assert_array_equal(np.isfinite(kept[name]).all(axis=1), held)
        np.testing.assert_array_equal(kept[name][held], outputs.logits[name].softmax(dim=1).numpy()[held])
    if len(HELD[number]) > 1:
        fused = calibrated(head_named(study.head_name), fitted_model(study).head, study.calibration, outputs).numpy()
        np.testing.assert_array_equal(kept["fused"], fused)
        both = np.logical_and(*(own.numpy() for own in outputs.present.values()))
        np.testing.assert_array_equal(np.isfinite(kept["fused_complete"]).all(axis=1), both)
        assert 0 < both.sum() < len(both)
    else:
        assert not np.isfinite(kept["fused_complete"]).any()


def test_full_sends_counts_that_add_up_to_what_scikit_learn_says_of_the_cases(root, grid, study):
    sent = parted({name: array.numpy() for name, array in arrays_of(ask(grid.inner, 1, "query.evaluation")).items()})
    _, by_set = expected(root, 1, fitted_model(study), "federated")
    for of, own in by_set.items():
        labels, probabilities = own["label"].to_numpy(), own[COLUMNS].to_numpy()
        told = sent["test", "federated", of]
        assert told["n"].tolist() == [len(labels)]
        guessed = probabilities.argmax(axis=1)
        np.testing.assert_array_equal(told["confusion"], confusion_matrix(labels, guessed, labels=range(4)))
        brier = np.square(probabilities - np.eye(4)[labels]).sum()
        losses = log_loss(labels, probabilities, labels=range(4)) * len(labels)
        np.testing.assert_allclose(told["losses"][[0, 2]], [brier, losses], rtol=1e-9)
        assert told["positives"].sum(axis=1).tolist() == np.bincount(labels, minlength=4).tolist()
    assert sent["test", "gain", "fused"]["n"].tolist() == [len(by_set["fused"])]


def test_full_tells_its_own_aurocs_as_scikit_learn_finds_them(root, grid, study):
    reply = ask(grid.inner, 1, "query.own_evaluation").content
    assert dict(reply["config.study"]) == {"evaluation": "full"}
    told = parted({name: array.numpy() for name, array in reply["arrays.study"].items()})
    own = expected(root, 1, fitted_model(study), "federated")[1]["fused"]
    labels, found = own["label"].to_numpy(), told["test", "federated", "fused"]["auroc"]
    for index in range(4):
        n = (labels == index).sum()
        if n < 5:
            assert np.isnan(found[index])
        else:
            assert found[index] == pytest.approx(roc_auc_score(labels == index, own[f"p_{index}"]), abs=1e-12)
    assert np.isfinite(found).any()


@pytest.mark.parametrize("number", [2, 3])
def test_without_masks_sums_and_none_send_zeros_and_tell_their_policy_only(grid, study, number):
    sent = arrays_of(ask(grid.inner, number, "query.evaluation"))
    assert sent.keys() == arrays_of(ask(grid.inner, 1, "query.evaluation")).keys()
    assert not any(array.numpy().any() for array in sent.values())
    reply = ask(grid.inner, number, "query.own_evaluation").content
    assert {key: dict(record) for key, record in reply.items()} == {"config.study": {"evaluation": POLICIES[number]}}


def test_none_scores_and_trains_nothing(grid, study):
    assert [key for key in context_of(grid, 3).state if key.startswith("scored.")] == []


def test_nothing_is_told_before_a_model_was_scored_in_this_run(root, study):
    grid = WatchedGrid(root)
    run_small(root, FEDERATION, grid)
    for kind in ("query.evaluable", "query.evaluation", "query.own_evaluation"):
        assert ask(grid.inner, 1, kind).error.code == NO_SETTINGS


def test_how_many_cases_there_are_is_asked_under_masks_only(grid, study, caplog):
    assert ask(grid.inner, 1, "query.evaluable").has_error()
    assert "asked for under masks only" in caplog.text


def arrays_of(reply):
    return dict(reply.content["arrays.study"])
