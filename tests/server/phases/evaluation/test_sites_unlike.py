"""Sites that have no test case, die, come back, only evaluate, or lie."""

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict

from modalities.core.site.store import SiteData
from server.phases.evaluation.alone import GAVE_UP
from server.phases.evaluation.phase import NOBODY
from strategies.checks import NO_REPLY
from strategies.evaluation.wire import EVALUABLE, EVALUATION, LOCAL_TRAINING, OWN_EVALUATION, SCORING
from strategies.wire import to_record
from tests.evaluated import (
    evaluated,
    only_evaluates,
    scored_in_one_place,
    text_of,
    with_cases,
    write_evaluated,
)
from tests.support import WatchedGrid, run_small, site_number, small_federation, with_content

MASKED = {"privacy__masking": "required"}
WITHOUT_OWN = {"evaluation": {"local": False}}


@pytest.fixture
def federation():
    return small_federation(**MASKED, **WITHOUT_OWN)


def test_a_site_without_test_cases_and_one_with_a_single_class_take_part(tmp_path, federation):
    root = write_evaluated(tmp_path, federation, "full")
    with_cases(root / "site_1", lambda table: table.assign(split="train"))
    with_cases(root / "site_4", lambda table: table[(table["split"] == "train") | (table["label"] == "LumA")])
    study, results, _ = evaluated(root, federation)
    exact = scored_in_one_place(root, study)
    assert results.test["federated"]["fused"].n == len(exact["fused"][0])
    assert results.sites["site_1"].results == {}
    alone = results.sites["site_4"].results["federated"]["fused"]
    assert alone.macro_auroc.value is None
    assert alone.macro_auroc.reason == "fewer than 5 cases of the class, or of the others"
    assert study.notes == []


def test_a_site_with_three_test_cases_is_in_the_sums_and_has_no_auroc_of_its_own(tmp_path, federation):
    root = write_evaluated(tmp_path, federation, "full")
    with_cases(
        root / "site_4", lambda table: table[(table["split"] == "train") | (table["split"].eq("test").cumsum() <= 3)]
    )
    study, results, _ = evaluated(root, federation)
    assert len(scored_in_one_place(root, study, ["site_4"])["fused"][0]) == 3
    assert results.test["federated"]["fused"].n == len(scored_in_one_place(root, study)["fused"][0])
    alone = results.sites["site_4"].results["federated"]["fused"]
    assert alone.n == 3
    assert alone.macro_auroc.value is None
    assert alone.macro_auroc.reason == "fewer than 5 cases of the class, or of the others"
    assert results.meta["federated"]["fused"].sites == 3


def test_a_site_that_only_evaluates_is_scored_and_teaches_nothing(tmp_path, federation):
    root = write_evaluated(tmp_path, federation, site_4="full")
    only_evaluates(root / "site_4")
    study, results, asked = evaluated(root, federation)
    assert "site_4" not in study.cohorts
    trainers = write_evaluated(tmp_path.parent / "trainers", federation)
    for file in sorted((trainers / "site_4").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    (trainers / "site_4").rmdir()
    same = run_small(trainers, federation, WatchedGrid(trainers, 3))
    assert all(
        np.array_equal(study.weights[part][name], own)
        for part, arrays in same.weights.items()
        for name, own in arrays.items()
    )
    assert {site: own.is_external for site, own in results.sites.items()} == {
        "site_1": False,
        "site_2": False,
        "site_3": False,
        "site_4": True,
    }
    external = results.sites["site_4"].results["federated"]["cnv"]
    assert external.n > 20
    assert results.test["federated"]["cnv"].n > external.n
    assert asked["train.branches"] == 3 * 2
    assert asked[EVALUATION] == 4


@pytest.mark.parametrize("kind", [EVALUABLE, EVALUATION, SCORING])
def test_a_site_that_dies_in_the_phase_is_left_out(tmp_path, federation, kind):
    root = write_evaluated(tmp_path, federation)
    order = [SCORING, EVALUABLE, EVALUATION, OWN_EVALUATION]
    lost = order[order.index(kind) :]
    grid = WatchedGrid(root, 4, loses=lambda asked: asked.metadata.message_type in lost and site_number(asked) == 4)
    study, results, _ = evaluated(root, federation, grid, timeout=1.0)
    others = scored_in_one_place(root, study, ("site_1", "site_2", "site_3"))
    assert results.test["federated"]["fused"].n == len(others["fused"][0])
    assert {(note.site, note.text) for note in study.notes} == {("site_4", NO_REPLY)}


def test_a_study_that_no_site_scores_ends_without_an_evaluation(tmp_path, federation):
    root = write_evaluated(tmp_path, federation)
    grid = WatchedGrid(root, 4, loses=lambda asked: asked.metadata.message_type == SCORING)
    study, results, asked = evaluated(root, federation, grid, timeout=1.0)
    assert (study.finished, results) == (True, None)
    assert NOBODY in text_of(study.notes)
    assert asked[EVALUATION] == 0


def test_a_site_that_was_started_anew_scores_again_and_counts(tmp_path, federation):
    root = write_evaluated(tmp_path, federation)
    grid = WatchedGrid(root, 4)
    seen = []

    def restarts(asked):
        if asked.metadata.message_type == SCORING and site_number(asked) == 2 and not seen:
            seen.append(asked)
        elif asked.metadata.message_type == EVALUABLE and len(seen) == 1:
            seen.append(asked)
            grid.restart(2)
        return False

    grid._loses = restarts
    study, results, asked = evaluated(root, federation, grid)
    assert results.sites.keys() == {"site_1", "site_2", "site_3", "site_4"}
    assert asked[SCORING] == 5
    assert results.test["federated"]["fused"].n == len(scored_in_one_place(root, study)["fused"][0])


def test_a_study_that_was_stopped_in_the_phase_goes_on_where_it_stood(tmp_path, federation):
    root, kept = write_evaluated(tmp_path / "sites", federation, "full"), tmp_path / "run"
    kept.mkdir()
    whole = evaluated(root, federation)[1]
    for kind, asked_again in ((EVALUATION, [0, 4, 4]), (OWN_EVALUATION, [0, 0, 4])):
        grid = Stopped(root, kind)
        checkpoint = kept / f"{kind}.safetensors"
        with pytest.raises(KeyboardInterrupt):
            evaluated(root, federation, grid, checkpoint=checkpoint)
        study, results, asked = evaluated(root, federation, checkpoint=checkpoint)
        assert [asked[own] for own in (EVALUABLE, EVALUATION, OWN_EVALUATION)] == asked_again
        assert asked["train.branches"] == 0
        assert results == whole
        assert study.finished


class Stopped(WatchedGrid):
    """A server that is stopped before it sends a message of a kind."""

    def __init__(self, root, kind):
        super().__init__(root, 4)
        self._kind = kind

    def push_messages(self, messages):
        messages = list(messages)
        if any(message.metadata.message_type == self._kind for message in messages):
            raise KeyboardInterrupt
        return super().push_messages(messages)


def seconds_of_training(grid):
    """What sites were given for a message of training alone."""
    asked = [message for message in grid.asked if message.metadata.message_type == LOCAL_TRAINING]
    return {message.content["config.study"]["seconds"] for message in asked}


def test_a_site_trains_alone_for_a_minute_a_message_at_most_and_for_half_of_its_time(tmp_path):
    federation = small_federation(evaluation={"local": True})
    root = write_evaluated(tmp_path, federation)
    for timeout, seconds in ((300.0, 60.0), (40.0, 20.0)):
        grid = WatchedGrid(root, 4)
        evaluated(root, federation, grid, timeout=timeout)
        assert seconds_of_training(grid) == {seconds}


def test_a_site_whose_own_model_fails_is_evaluated_without(tmp_path):
    federation = small_federation(**MASKED)
    root = write_evaluated(tmp_path, federation)
    grid = WatchedGrid(
        root, 4, loses=lambda asked: asked.metadata.message_type == LOCAL_TRAINING and site_number(asked) == 1
    )
    study, _, asked = evaluated(root, federation, grid, timeout=2.0)
    assert ("site_1", GAVE_UP) in {(note.site, note.text) for note in study.notes}
    assert study.finished
    assert asked[EVALUATION] == 4


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("test.federated.fused.n", -3.0, "test.federated.fused: a count outside 0 to 1000000"),
        ("test.federated.fused.n", 0.0, "test.federated.fused: more cases in `confusion` than in all"),
        ("test.gain.cnv.losses", np.nan, "test.gain.cnv.losses is not finite"),
    ],
)
def test_false_tallies_are_refused_and_the_others_used(tmp_path, name, value, said):
    federation = small_federation(**WITHOUT_OWN)
    root = write_evaluated(tmp_path, federation, "full")

    def lies(asked, reply):
        if asked.metadata.message_type != EVALUATION or site_number(asked) != 1:
            return None
        arrays = {key: array.numpy().copy() for key, array in reply.content["arrays.study"].items()}
        arrays[name][:] = value
        return with_content(reply, RecordDict({"arrays.study": to_record(arrays)}))

    study, results, _ = evaluated(root, federation, WatchedGrid(root, 4, falsifies=lies))
    assert [(note.site, note.text) for note in study.notes] == [("site_1", said)]
    others = scored_in_one_place(root, study, ("site_2", "site_3", "site_4"))
    assert results.test["federated"]["fused"].n == len(others["fused"][0])


@pytest.mark.parametrize("what", ["another policy", "no arrays", "an AUROC of 2"])
def test_what_a_site_tells_of_itself_is_checked(tmp_path, what):
    federation = small_federation(**WITHOUT_OWN)
    root = write_evaluated(tmp_path, federation, "full")

    def lies(asked, reply):
        if asked.metadata.message_type != OWN_EVALUATION or site_number(asked) != 1:
            return None
        arrays = {key: array.numpy().copy() for key, array in reply.content["arrays.study"].items()}
        arrays["test.federated.cnv.auroc"][0] = 2.0
        policy = ConfigRecord({"evaluation": "all" if what == "another policy" else "full"})
        records = {"config.study": policy, **({} if what == "no arrays" else {"arrays.study": to_record(arrays)})}
        return with_content(reply, RecordDict(records))

    study, results, _ = evaluated(root, federation, WatchedGrid(root, 4, falsifies=lies))
    said = {
        "another policy": "it did not say what it lets out of an evaluation, or its name is none",
        "no arrays": "it lets out its own results, and sent none",
        "an AUROC of 2": "test.federated.cnv.auroc outside 0 to 1",
    }
    assert set(text_of(study.notes)) == {said[what]}
    assert results.sites.keys() == {"site_2", "site_3", "site_4"}


def test_a_site_that_says_it_only_evaluates_announces_no_case_to_train_on(tmp_path, federation):
    root = write_evaluated(tmp_path, federation)

    def lies(asked, reply):
        if asked.metadata.message_type != "query.capabilities" or site_number(asked) != 1:
            return None
        records = dict(reply.content)
        records["config.study"] = ConfigRecord({**records["config.study"], "takes-part": "evaluate"})
        return with_content(reply, RecordDict(records))

    study, results, _ = evaluated(root, federation, WatchedGrid(root, 4, falsifies=lies))
    n = SiteData(root / "site_1", federation).training_cases("cnv")
    assert text_of(study.notes)[0] == f"it announced 'cnv' with {len(n)} cases"
    assert results.sites.keys() == {"site_2", "site_3", "site_4"}
