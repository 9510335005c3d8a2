"""Sites that leave and come back: the study waits or goes on as it was told, and its weights say nothing else."""

import numpy as np
import pytest
from flwr.app import Error, Message

from server.coordinator.live_view import view
from server.state.status import read_status
from tests.support import (
    WatchedGrid,
    run_small,
    same_study,
    site_number,
    small_federation,
    write_sites,
)

FEDERATION = small_federation(
    fusion__rounds=2, modalities__cnv__federated__rounds=3, modalities__hif__federated__rounds=3
)
pytestmark = pytest.mark.usefixtures("quick_looks")
AWAY = "away: not connected; it is asked again once it is back"
BACK = "it is here and up to date, and takes part from now on"
ANEW = "it was started anew and lacks what it was sent in this run; it gets that again"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), FEDERATION)


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """Three sites with both modalities: two are left for the fusion head where one is away."""
    return write_sites(tmp_path_factory.mktemp("alike"), FEDERATION, [("cnv", "hif")] * 3)


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
