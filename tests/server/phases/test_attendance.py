"""Sites that leave and come back: the study waits or goes on as it was told, and its weights say nothing else."""

import numpy as np
import pytest
from flwr.app import Error, Message
from rich.console import Console

from server.coordinator.live_view import view
from server.phases import attendance
from server.state.status import read_status
from server.state.study import StudyState
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

FEDERATION = small_federation(
    fusion__rounds=2, modalities__cnv__federated__rounds=3, modalities__hif__federated__rounds=3
)
ALONE = [("cnv",), ("cnv",), ("hif",)]
"""The third site is the only one with hif, and has nothing else."""
AWAY = "away: not connected; it is asked again once it is back"
BACK = "it is here and up to date, and takes part from now on"
ANEW = "it was started anew and lacks what it was sent in this run; it gets that again"


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch):
    monkeypatch.setattr(attendance, "_LOOK_S", 0.01)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), FEDERATION)


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """Three sites with both modalities: two are left for the fusion head where one is away."""
    return write_sites(tmp_path_factory.mktemp("alike"), FEDERATION, [("cnv", "hif")] * 3)


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


def asked_of(grid, number, message_type=None):
    """The types, or the rounds of one type, that a site was asked for, in order."""
    own = [message.metadata for message in grid.asked if site_number(message) == number]
    return [
        meta.group_id if message_type else meta.message_type
        for meta in own
        if meta.message_type == (message_type or meta.message_type)
    ]


def reasons(study, site="site_3"):
    return [note.text for note in study.notes if note.site == site]


def loses(message_type, group):
    """Whether a message is that one to the third site."""

    def is_lost(message):
        meta = message.metadata
        return site_number(message) == 3 and (meta.message_type, meta.group_id) == (message_type, group)

    return is_lost


# ---- away and back


def test_a_site_that_is_away_for_a_round_is_not_asked_and_takes_part_again_in_the_next(root):
    """The weights are those of a study that lost this site's reply of round 2, and nothing else."""

    def away(grid):
        return [3] if asked_of(grid, 1, "train.branches") == ["1"] else []

    grids = [WatchedGrid(root, away=away) for _ in range(2)]
    study, again = (run_small(root, FEDERATION, grid) for grid in grids)
    expected = run_small(root, FEDERATION, WatchedGrid(root, loses=loses("train.branches", "2")))
    assert asked_of(grids[0], 3, "train.branches") == ["1", "3"]
    assert reasons(study) == [AWAY, BACK]
    assert same_study(study, expected)
    assert same_study(study, again)
    assert not same_study(study, run_small(root, FEDERATION))


def test_a_site_that_was_started_anew_unseen_says_so_and_takes_part_again_in_the_next_round(root):
    def forgets(asked, reply):
        if site_number(asked) == 3 and (asked.metadata.message_type, asked.metadata.group_id) == (
            "train.branches",
            "1",
        ):
            grid.restart(3)

    grid = WatchedGrid(root, falsifies=forgets)
    study = run_small(root, FEDERATION, grid)
    expected = run_small(root, FEDERATION, WatchedGrid(root, loses=loses("train.branches", "2")))
    assert asked_of(grid, 3, "train.branches") == ["1", "2", "3"]
    assert reasons(study) == [ANEW, BACK]
    assert same_study(study, expected)


def test_a_site_that_comes_back_in_the_fusion_phase_keeps_its_outputs_again(alike):
    looks = []

    def away(grid):
        looks.extend([1] * (asked_of(grid, 1).count("train.fusion") == 1))
        return [3] if 0 < len(looks) < 9 else []

    grid = WatchedGrid(alike, away=away)
    study = run_small(alike, FEDERATION, grid)
    after = asked_of(grid, 3)[asked_of(grid, 3).index("train.fusion") + 1 :]
    assert after[:3] == ["query.setup", "evaluate.branches", "train.fusion"]
    assert reasons(study) == [AWAY, BACK]
    assert same_study(study, run_small(alike, FEDERATION))


def test_a_site_that_leaves_one_other_alone_with_the_fusion_head_is_waited_for(root):
    """The gradient of the site that is left would be that of its own cases."""
    looks = []

    def away(grid):
        looks.extend([1] * (asked_of(grid, 1).count("train.fusion") == 1))
        return [3] if 0 < len(looks) < 9 else []

    grid = WatchedGrid(root, away=away)
    study = run_small(root, FEDERATION, grid)
    assert same_study(study, run_small(root, FEDERATION))
    few = "1 of at least 2 sites that have it beside another modality"
    assert [note for note in study.notes if note.site == "*"] == [
        ("warning", "*", name, f"waits: {few}") for name in ("cnv", "hif")
    ]


def test_a_gradient_that_only_one_of_two_sites_sent_is_asked_for_again(root):
    """Both are there, but what one of them answers cannot be used: the other's is not used either."""
    refusing = []

    def fails_once(asked, reply):
        if site_number(asked) == 3 and asked.metadata.message_type == "train.fusion" and not refusing:
            refusing.append(asked)
            return Message(Error(2, ""), reply_to=asked)
        return None

    grid = WatchedGrid(root, falsifies=fails_once)
    assert same_study(run_small(root, FEDERATION, grid), run_small(root, FEDERATION))
    assert refusing


def test_a_modality_that_one_site_alone_has_beside_another_keeps_its_share_of_the_head_as_it_began(tmp_path):
    federation = small_federation(
        modalities__second={
            "kind": "cnv",
            "features": small_federation().modalities["cnv"].features,
            "federated": {"rounds": 1},
        }
    )
    holdings = [("cnv", "hif", "second"), ("cnv", "second"), ("hif",)]
    study = run_small(write_sites(tmp_path, federation, holdings), federation)
    assert study.head["hif.d"].tolist() == [0] * 4  # where it began
    assert all(np.abs(study.head[f"{name}.d"]).max() > 0 for name in ("cnv", "second"))
    only = "too few sites have it beside another modality: its share of the fusion head stays as it is"
    assert study.notes == [("warning", "*", "hif", only)]


def test_a_single_site_with_two_modalities_fits_no_head_and_no_temperature(tmp_path):
    root = write_sites(tmp_path, FEDERATION, [("cnv", "hif"), ("cnv",), ("hif",)])
    grid = WatchedGrid(root)
    study = run_small(root, FEDERATION, grid)
    assert study.finished
    assert not {"train.fusion", "query.calibration"} & {message.metadata.message_type for message in grid.asked}
    assert study.head["cnv.d"].tolist() == study.head["hif.d"].tolist() == [0] * 4
    assert study.calibration["temperature"].tolist() == [1.0]
    assert [note.part for note in study.notes] == ["cnv", "hif"]


def test_a_site_that_leaves_in_the_calibration_is_asked_again_once_it_is_back(alike):
    dead = []

    def dies(asked, reply):
        if site_number(asked) == 3 and asked.metadata.message_type == "query.calibration" and not dead:
            dead.append(grid.restart(3))
            return Message(Error(5, "gone"), reply_to=asked)
        return None

    grid = WatchedGrid(alike, falsifies=dies)
    study = run_small(alike, FEDERATION, grid)
    back = ["query.setup", "evaluate.branches", "query.calibration", "query.conformal"]
    assert asked_of(grid, 3)[-5:] == ["query.calibration", *back]
    assert reasons(study) == [AWAY, BACK]
    assert same_study(study, run_small(alike, FEDERATION))
    scored = [reply for reply in grid.replies if reply.has_content() and "arrays.study" in reply.content]
    assert len(scored) == 3 + 3  # statistics and score counts of every site


def test_a_site_that_cannot_be_brought_up_to_date_is_tried_three_times_and_then_left_alone(alike):
    federation = small_federation(
        fusion__rounds=1, modalities__cnv__federated__rounds=6, modalities__hif__federated__rounds=6
    )

    def forgets_all(asked, reply):
        is_setup = asked.metadata.message_type == "query.setup" and asked_of(grid, 1, "train.branches")
        if site_number(asked) == 3 and (asked.metadata.group_id == "1" or is_setup):
            grid.restart(3)
            return Message(Error(2, ""), reply_to=asked) if is_setup else None
        return None

    grid = WatchedGrid(alike, falsifies=forgets_all)
    study = run_small(alike, federation, grid)
    assert study.finished
    assert asked_of(grid, 3, "train.branches") == ["1", "2"]
    assert reasons(study) == [ANEW, *["the site reported a failure; its own log says more"] * 3]


def test_who_is_away_stands_in_the_status_until_it_is_back(root, tmp_path):
    seen = {}

    def away(grid):
        return [3] if asked_of(grid, 1, "train.branches") == ["1"] else []

    def look(event):
        seen[event["phase"], event.get("round")] = read_status(tmp_path)

    run_small(root, FEDERATION, WatchedGrid(root, away=away), status=tmp_path, report=look)
    assert [seen["branches", number]["away"] for number in (1, 2, 3)] == [[], ["site_3"], []]
    shown = [str(line) for line in view(seen["branches", 2]).renderables[1:] if not hasattr(line, "columns")]
    assert "away: site_3" in shown
    assert f"noted: site_3: {AWAY}" in shown


# ---- a modality without its holders


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


# ---- late for the handshake


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


def test_enrolled_sites_that_are_not_here_yet_are_named_while_waiting_and_afterwards(root, tmp_path):
    grid = WatchedGrid(root)
    enrolled = dict.fromkeys(grid.get_node_ids(), "site_1") | {4: "site_4", 5: "site_5"}
    with pytest.raises(RuntimeError, match="3 of 5 sites are there after 0 s, not site_4, site_5; go on once"):
        run_small(root, FEDERATION, grid, sites=5, wait=0.0, status=tmp_path, enrolled=enrolled)
    shown = Console(width=100)
    with shown.capture() as captured:
        shown.print(view(read_status(tmp_path)))
    assert "phase: waiting for the sites" in captured.get()
    assert "not here yet: site_4, site_5" in captured.get()


def test_a_site_that_comes_after_the_handshake_takes_part_from_then_on(root):
    def away(grid):
        return [] if asked_of(grid, 1, "train.branches") else [3]

    grid = WatchedGrid(root, away=away)
    study = run_small(root, FEDERATION, grid, sites=2)
    assert asked_of(grid, 3, "train.branches") == ["2", "3"]
    assert reasons(study) == [BACK]
    assert set(study.cohorts) == {"site_1", "site_2", "site_3"}


def test_a_node_that_did_not_say_who_it_is_is_asked_again_once_it_has_left_and_come_back(root):
    looks = []

    def away(grid):
        looks.extend([1] * (asked_of(grid, 1, "train.branches") == ["1"]))
        return [3] if looks else []

    def away_then_back(grid):
        return away(grid) if asked_of(grid, 1, "train.branches") in ([], ["1"]) else []

    def silent(message):
        return site_number(message) == 3 and message.metadata.message_type == "query.capabilities" and not looks

    grid = WatchedGrid(root, away=away_then_back, loses=silent)
    study = run_small(root, FEDERATION, grid)
    assert asked_of(grid, 3)[:3] == ["query.capabilities", "query.capabilities", "query.setup"]
    assert asked_of(grid, 3, "train.branches") == ["3"]
    assert [note.text for note in study.refused] == ["no reply before the deadline"]


def test_a_site_that_comes_late_with_what_nobody_held_before_waits_with_that_for_the_next_run(tmp_path):
    root = write_sites(tmp_path, FEDERATION, [("cnv",), ("cnv",), ("cnv", "hif")])

    def away(grid):
        return [] if asked_of(grid, 1, "train.branches") else [3]

    study = run_small(root, FEDERATION, WatchedGrid(root, away=away), sites=2)
    assert reasons(study) == ["nobody held it before; from the next run on", BACK]
    assert "hif" not in study.weights
