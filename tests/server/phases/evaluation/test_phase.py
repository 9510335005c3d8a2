"""Whole studies with an evaluation, their numbers against those of the cases in one place."""

import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from server.phases.evaluation.sums import NOTHING_SHARED
from server.state.evaluation import results_in
from server.state.release import read_release, write_release
from server.state.study import StudyState
from strategies.evaluation.results import Estimate
from strategies.evaluation.wire import EVALUABLE, EVALUATION, LOCAL_TRAINING, OWN_EVALUATION, SCORING
from tests.evaluated import (
    brier,
    evaluated,
    scored_in_one_place,
    text_of,
    write_evaluated,
)
from tests.support import small_federation

MASKED = {"privacy__masking": "required"}


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    federation = small_federation(**MASKED)
    root = write_evaluated(tmp_path_factory.mktemp("masked"), federation)
    return root, *evaluated(root, federation)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The same sites without masks, which let everything out."""
    rounds = {f"modalities__{name}__federated__min_holders": 3 for name in ("cnv", "hif")}
    root = write_evaluated(tmp_path_factory.mktemp("plain"), small_federation(), "full")
    return root, *evaluated(root, small_federation(**rounds))


@pytest.mark.parametrize("name", ["masked", "plain"])
def test_the_numbers_are_those_of_all_test_cases_in_one_place(name, request):
    root, study, results, _ = request.getfixturevalue(name)
    exact = scored_in_one_place(root, study)
    assert set(results.test["federated"]) == {"cnv", "hif", "fused", "fused_complete"} == set(exact)
    for of, (labels, probabilities) in exact.items():
        found, predicted = results.test["federated"][of], probabilities.argmax(axis=1)
        counted = [c for c in range(4) if min((labels == c).sum(), (labels != c).sum()) >= 5]
        aurocs = [roc_auc_score(labels == c, probabilities[:, c]) for c in counted]
        assert found.n == len(labels)
        assert abs(found.macro_auroc.value - np.mean(aurocs)) <= found.macro_auroc.bound
        assert found.brier.value == pytest.approx(brier(labels, probabilities), abs=1e-6)
        assert found.confusion == confusion_matrix(labels, predicted, labels=range(4)).tolist()
    assert results.test["federated"]["fused"].macro_auroc.bound < 0.02  # after two rounds all probabilities are alike


def test_masks_change_nothing_but_who_sees_what(masked, plain):
    for cases in ("test", "out_of_fold"):
        hidden, shown = (getattr(results, cases) for results in (masked[2], plain[2]))
        for model in ("federated", "local", "prior"):
            assert hidden[model].keys() == shown[model].keys() != set()
            for of, own in shown[model].items():
                assert hidden[model][of].macro_auroc.value == pytest.approx(own.macro_auroc.value, abs=1e-6)
                assert hidden[model][of].log_loss.value == pytest.approx(own.log_loss.value, abs=1e-6)
    assert masked[2].gain["test"]["fused"].sites == plain[2].gain["test"]["fused"].sites > 1
    assert {site: own.shares for site, own in masked[2].sites.items()} == {f"site_{n}": "sums" for n in range(1, 5)}
    assert not any(own.results for own in masked[2].sites.values())
    assert all(own.results for own in plain[2].sites.values())


def test_each_question_is_asked_once_a_site_and_counts_under_masks_only(masked, plain):
    assert [masked[3][kind] for kind in (SCORING, EVALUABLE, EVALUATION, OWN_EVALUATION)] == [4, 4, 4, 4]
    assert [plain[3][kind] for kind in (SCORING, EVALUABLE, EVALUATION, OWN_EVALUATION)] == [4, 0, 4, 4]
    assert min(own[3][LOCAL_TRAINING] for own in (masked, plain)) >= 4
    assert masked[1].notes == plain[1].notes == []


def test_the_out_of_fold_numbers_are_of_the_training_cases(masked):
    """As many as the class counts say, and each scored by copies that did not see it: no better than the test cases."""
    _, study, results, _ = masked
    found = results.out_of_fold["federated"]
    assert 0 < found["fused"].n <= sum(study.class_counts)
    assert found["cnv"].n == sum(own["cnv"] for own in study.cohorts.values())
    assert results.out_of_fold["local"]["cnv"].n == found["cnv"].n


def test_checkpoint_and_release_hold_the_numbers(masked, tmp_path):
    _, study, results, _ = masked
    study.save(tmp_path / "checkpoint.safetensors")
    assert results_in(StudyState.load(tmp_path / "checkpoint.safetensors", study.federation)) == results
    _, model = read_release(write_release(tmp_path / "release", study))
    assert model["evaluation"] == json.loads(json.dumps(results.to_plain()))
    macro = results.test["federated"]["fused"].macro_auroc
    assert Estimate(**model["evaluation"]["federated"]["fused"]["macro_auroc"]) == macro


def test_without_masks_sums_do_not_leave_and_the_study_says_so(tmp_path):
    federation = small_federation()
    study, results, _ = evaluated(write_evaluated(tmp_path, federation), federation)
    assert results.test["federated"] == {}
    assert text_of(study.notes) == [NOTHING_SHARED]
    assert {own.shares for own in results.sites.values()} == {"sums"}


def test_a_site_that_shares_nothing_is_in_no_number(tmp_path):
    federation = small_federation(**MASKED)
    root = write_evaluated(tmp_path, federation, site_2="none")
    study, results, _ = evaluated(root, federation)
    others = scored_in_one_place(root, study, ("site_1", "site_3", "site_4"))
    assert results.test["federated"]["fused"].n == len(others["fused"][0])
    assert results.sites["site_2"].shares == "none"
    assert study.notes == []


@pytest.mark.parametrize(("agreed", "by_the_way"), [(False, True), (True, False)])
def test_without_local_models_nobody_trains_one(tmp_path, agreed, by_the_way):
    federation = small_federation(**MASKED, evaluation={"local": agreed})
    _, results, asked = evaluated(write_evaluated(tmp_path, federation), federation, trains_alone=by_the_way)
    assert asked[LOCAL_TRAINING] == 0
    assert results.test["local"] == {} == results.gain["test"]
    assert results.test["federated"]["fused"].n > 0


def test_labels_that_say_nothing_end_at_a_half_and_with_no_gain(tmp_path):
    """Two fair coins: intervals of 95 % hold a half, and nothing is called equivalent."""
    federation = small_federation(**MASKED)
    root = write_evaluated(tmp_path, federation)
    rng = np.random.default_rng(11)
    for folder in sorted(root.iterdir()):
        table = (folder / "cases.csv").read_text().splitlines()
        rows = [line.split(",") for line in table[1:]]
        labels = rng.permutation([row[1] for row in rows])
        lines = [",".join([row[0], label, *row[2:]]) for row, label in zip(rows, labels, strict=True)]
        (folder / "cases.csv").write_text("\n".join([table[0], *lines]) + "\n")
    _, results, _ = evaluated(root, federation)
    found, gain = results.test["federated"]["fused"], results.gain["test"]["fused"]
    assert found.macro_auroc.low < 0.5 < found.macro_auroc.high
    assert gain.macro_auroc.low < 0 < gain.macro_auroc.high
    assert gain.verdict == "not shown"
    assert gain.equivalence["low"] < -gain.margin < gain.margin < gain.equivalence["high"]
