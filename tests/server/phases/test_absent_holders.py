"""Modalities whose holders are away: their rounds wait or are skipped, as the study was told."""

import numpy as np
import pytest
from flwr.app import Error, Message

from server.state.status import read_status
from server.state.study import StudyState
from tests.server.phases.test_attendance import BACK, FEDERATION, asked_of, reasons
from tests.support import (
    WatchedGrid,
    all_arrays,
    run_small,
    same_arrays,
    same_study,
    site_number,
    small_federation,
    write_sites,
)

pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), FEDERATION)


ALONE = [("cnv",), ("cnv",), ("hif",)]
"""The third site is the only one with hif, and has nothing else."""


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("apart"), FEDERATION, ALONE)


def alone(**changes):
    """Three rounds each, unless hif is told otherwise."""
    changes = {"rounds": 3, **changes}
    hif = {f"modalities__hif__federated__{name}": value for name, value in changes.items()}
    return small_federation(modalities__cnv__federated__rounds=3, **hif)


@pytest.fixture(scope="module")
def apart_whole(apart):
    return run_small(apart, alone())


def left_after_round_1(until):
    """The third site is away from round 2 on, until the others are in this round and somebody has looked in vain."""
    looks = []

    def away(grid):
        rounds = asked_of(grid, 1, "train.branches")
        looks.extend([1] * (rounds[-1:] == [until]))
        return [3] if rounds and len(looks) < 9 else []

    return away


def test_a_modality_whose_only_holder_is_away_waits_and_ends_with_the_weights_of_a_study_without_that(
    apart, apart_whole, tmp_path
):
    grid, seen = WatchedGrid(apart, away=left_after_round_1("3")), []
    study = run_small(apart, alone(), grid, status=tmp_path, report=lambda event: seen.append(read_status(tmp_path)))
    assert asked_of(grid, 1, "train.branches") == ["1", "2", "3"]  # the others go on
    assert same_study(study, apart_whole)
    assert study.progress == apart_whole.progress
    few = "0 of the at least 1 sites that min_holders asks for"
    assert reasons(study, "*") == [f"waits: {few}"]
    assert {"hif": few} in [status["waiting"] for status in seen]
    assert seen[-1]["waiting"] == {}


def test_a_modality_that_is_skipped_keeps_its_weights_and_its_rounds_count(apart, apart_whole):
    grid = WatchedGrid(apart, away=left_after_round_1("never"))
    study = run_small(apart, alone(absent="skip"), grid)
    one_round = run_small(apart, alone(rounds=1))
    assert same_arrays({"hif": study.weights["hif"]}, {"hif": one_round.weights["hif"]})
    assert same_arrays({"cnv": study.weights["cnv"]}, {"cnv": apart_whole.weights["cnv"]})
    assert study.progress["hif"].rounds == 3
    few = "0 of the at least 1 sites that min_holders asks for"
    assert reasons(study, "*") == [f"round {number} skipped: {few}" for number in (2, 3)]


def test_rounds_that_nobody_else_trains_are_skipped_at_once(apart):
    federation = small_federation(
        modalities__cnv__federated__rounds=2, modalities__hif__federated={"rounds": 7, "absent": "skip"}
    )
    study = run_small(apart, federation, WatchedGrid(apart, away=left_after_round_1("never")))
    assert [reason.partition(":")[0] for reason in reasons(study, "*")] == ["round 2 skipped", "rounds 3 to 7 skipped"]


def test_no_round_is_skipped_while_no_site_at_all_is_there(apart):
    """Else a coordinator whose network fails for a minute would end with untrained branches."""
    federation = small_federation(**{f"modalities__{name}__federated__absent": "skip" for name in ("cnv", "hif")})
    looks = []

    def away(grid):
        looks.extend([1] * (asked_of(grid, 1, "train.branches") == ["1"]))
        return [1, 2, 3] if 0 < len(looks) < 9 else []

    study = run_small(apart, federation, WatchedGrid(apart, away=away))
    assert same_study(study, run_small(apart, federation))
    assert len(reasons(study, "*")) == 2  # both waited


def test_a_round_needs_replies_of_min_holders_that_can_be_used(root):
    federation = small_federation(modalities__hif__federated__min_holders=2, fusion__rounds=1)
    refusing = []

    def fails_once(asked, reply):
        if site_number(asked) == 3 and asked.metadata.group_id == "2" and not refusing:
            refusing.append(asked)
            return Message(Error(2, ""), reply_to=asked)
        return None

    grid = WatchedGrid(root, falsifies=fails_once)
    study = run_small(root, federation, grid)
    assert reasons(study, "*") == ["waits: 1 of the at least 2 sites that min_holders asks for"]
    assert study.progress["hif"].rounds == 2
    asked_again = [
        (message.content["config.hif"]["server-round"], all_arrays(message.content)["arrays.hif"]["head.weight"])
        for message in grid.asked
        if message.metadata.message_type == "train.branches" and site_number(message) == 1
        if "arrays.hif" in message.content
    ]
    assert [server_round for server_round, _ in asked_again] == [1, 2, 2]
    assert np.array_equal(asked_again[1][1], asked_again[2][1])  # with the very same weights


def test_when_nobody_comes_back_in_time_the_study_stops_and_says_who_is_missed(apart, apart_whole, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    grid = WatchedGrid(apart, away=left_after_round_1("never"))
    said = (
        r"^hif: 0 of the at least 1 sites .* \(held by site_3 \(away\)\); everything until now is kept: .* then resume$"
    )
    with pytest.raises(RuntimeError, match=said):
        run_small(apart, alone(), grid, checkpoint=path, wait=0.0)
    kept = StudyState.load(path, alone())
    assert (kept.progress["cnv"].rounds, kept.progress["hif"].rounds) == (3, 1)
    assert same_study(run_small(apart, alone(), checkpoint=path), apart_whole)


class PlugPulledError(Exception):
    pass


def pull_the_plug(event):
    if event["phase"] == "branches":
        raise PlugPulledError("after round 1")


@pytest.mark.parametrize("absent", ["wait", "skip"])
def test_a_begun_modality_without_a_holder_at_the_handshake_of_a_resumed_study(apart, apart_whole, tmp_path, absent):
    """It waits for one, who need not wait for the next run; or it goes on without, and says so."""
    path, federation = tmp_path / "checkpoint.safetensors", alone(absent=absent)
    with pytest.raises(PlugPulledError):
        run_small(apart, federation, checkpoint=path, report=pull_the_plug)
    looks = []

    def away(grid):
        looks.append(1)
        return [3] if len(looks) < 30 or absent == "skip" else []

    grid = WatchedGrid(apart, away=away)
    study = run_small(apart, federation, grid, checkpoint=path, sites=2)
    if absent == "wait":
        assert same_study(study, apart_whole)
        assert asked_of(grid, 3)[:3] == ["query.capabilities", "query.setup", "train.branches"]
        assert reasons(study) == [BACK]
    else:
        assert reasons(study, "*")[-1].startswith("round")
        assert study.progress["hif"].rounds == 3
    assert study.cohorts["site_3"] == apart_whole.cohorts["site_3"]  # its cases are in the weights
