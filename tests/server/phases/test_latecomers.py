"""Sites that come after the handshake, or do not say who they are."""

import pytest
from rich.console import Console

from server.coordinator.live_view import view
from server.state.status import read_status
from tests.server.phases.test_attendance import BACK, FEDERATION, asked_of, reasons
from tests.support import (
    WatchedGrid,
    run_small,
    site_number,
    write_sites,
)

pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), FEDERATION)


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
