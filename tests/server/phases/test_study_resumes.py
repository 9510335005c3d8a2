"""A study that dies at any step, or in the middle of an exchange, and is resumed ends with the same bits."""

import pytest

from server.state.study import StudyState
from tests.server.phases.test_study_heads import SMALL_NETWORK
from tests.server.phases.test_study_stops import impatient
from tests.support import (
    WatchedGrid,
    run_small,
    same_arrays,
    same_study,
    small_federation,
)

FEDERATION = small_federation()


class PlugPulledError(Exception):
    pass


CASES = {
    "two rounds": small_federation(fusion__rounds=1),
    "patience": impatient(modalities__hif__federated__rounds=2, fusion__rounds=1),
}


@pytest.mark.parametrize("name", ["two rounds", pytest.param("patience", marks=pytest.mark.slow)])
def test_killed_after_any_step_and_resumed_it_ends_with_the_same_bits(root, tmp_path, name):
    federation = CASES[name]
    events = []
    whole = run_small(root, federation, report=events.append)
    for killed_after in range(1, len(events)):
        path, seen = tmp_path / f"{killed_after}.safetensors", []

        def pull_the_plug(event, seen=seen, killed_after=killed_after):
            seen.append(event)
            if len(seen) == killed_after:
                raise PlugPulledError("after this step")

        with pytest.raises(PlugPulledError, match="after this step"):
            run_small(root, federation, checkpoint=path, report=pull_the_plug)
        resumed = run_small(root, federation, checkpoint=path)
        assert same_study(whole, resumed), f"killed after step {killed_after}: {events[killed_after - 1]}"
        assert resumed.progress == whole.progress


class Failing(WatchedGrid):
    """A grid that dies while the n-th group of messages is out, with one reply in hand."""

    def __init__(self, root, group):
        super().__init__(root)
        self.left, self.pulls = group, 0

    def push_messages(self, messages):
        self.left -= 1
        self.pulls = 0
        return super().push_messages(messages)

    def pull_messages(self, message_ids):
        self.pulls += 1
        if self.left == 0 and self.pulls > 1:
            raise PlugPulledError("in the middle of an exchange")
        return super().pull_messages(message_ids)


def test_killed_in_the_middle_of_any_exchange_and_resumed_it_ends_with_the_same_bits(root, tmp_path):
    federation, killed = CASES["two rounds"], 0
    whole = run_small(root, federation)
    for group in range(1, 20):
        path = tmp_path / f"{group}.safetensors"
        try:
            run_small(root, federation, Failing(root, group), checkpoint=path)
            break
        except PlugPulledError:
            killed += 1
            assert same_study(whole, run_small(root, federation, checkpoint=path)), f"killed in exchange {group}"
    assert killed >= 7  # handshake, statistics, setup, two rounds, scoring, and the rounds of the head


def test_a_finished_study_is_not_run_again(root, whole, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    run_small(root, FEDERATION, checkpoint=path)
    grid = WatchedGrid(root)
    again = run_small(root, FEDERATION, grid, checkpoint=path)
    assert grid.asked == []
    assert same_study(again, whole)


def test_a_checkpoint_of_other_settings_is_refused(root, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    run_small(root, FEDERATION, checkpoint=path)
    with pytest.raises(ValueError, match=r"study with other settings \(config digest .*restore the settings, or begin"):
        run_small(root, small_federation(seed=4), checkpoint=path)


def test_a_networks_fit_that_is_killed_in_any_round_ends_with_the_same_bits(root, whole, tmp_path):
    """Three fits with a fold left out and the last one: killed in each exchange of the phase."""
    federation = small_federation(fusion__head="intermediate", fusion__network={**SMALL_NETWORK, "rounds": 2})

    def start():
        return StudyState(federation, dict(whole.states), weights=dict(whole.weights), frozen=["cnv", "hif"])

    finished = run_small(root, federation, start=start())
    killed = 0
    for group in range(5, 30):
        path = tmp_path / f"{group}.safetensors"
        try:
            run_small(root, federation, Failing(root, group), start(), checkpoint=path)
            break
        except PlugPulledError:
            killed += 1
            resumed = run_small(root, federation, checkpoint=path)
            assert same_arrays({"": finished.head}, {"": resumed.head}), f"killed in exchange {group}"
            assert resumed.fusion_rounds == finished.fusion_rounds
    assert killed >= finished.fusion_rounds - 1


def test_a_damaged_checkpoint_costs_a_step_and_the_study_ends_with_the_same_bits(root, tmp_path):
    whole, path, seen = run_small(root, FEDERATION), tmp_path / "checkpoint.safetensors", []

    def pull_the_plug(event):
        seen.append(event)
        if len(seen) == 4:
            raise PlugPulledError("after this step")

    with pytest.raises(PlugPulledError):
        run_small(root, FEDERATION, checkpoint=path, report=pull_the_plug)
    path.write_bytes(path.read_bytes()[:-7])
    resumed = run_small(root, FEDERATION, checkpoint=path)
    assert same_study(resumed, whole)
    assert "goes on from the step before" in resumed.notes[0].text
