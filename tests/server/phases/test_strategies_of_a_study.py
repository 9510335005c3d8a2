"""Every strategy in a whole study: it resumes bit for bit, and is refused where too few sites hold a modality."""

import numpy as np
import pytest

from server.state.study import StudyState
from strategies.rule import centres, rules
from tests.support import WatchedGrid, run_small, same_arrays, same_study, site_number, small_federation, write_sites

N_CASES = (17, 13, 19, 11, 23)
STATEFUL = ("fedadam", "fedyogi", "fedadagrad", "fedavgm")
COMBINED = "fedadam+fedmedian"


def federation_under(strategy, **changes):
    """One modality, no held-out cases, three rounds."""
    name, _, robust = strategy.partition("+")
    base = small_federation().modalities["hif"]
    settings = {
        "strategy": name,
        "robust": robust,
        "rounds": 3,
        "patience": 0,
        "proximal_mu": 0.1,
        "server_momentum": 0.5,
        **changes,
    }
    sections = {"hif": {"kind": "table", "features": list(base.features), "federated": settings}}
    return small_federation(modalities=sections, fusion__fit="none")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("five"), federation_under("fedavg"), [("hif",)] * 5, N_CASES)


class PlugPulledError(Exception):
    pass


def stopped_after_two_rounds(root, federation, path):
    def pull_the_plug(event):
        if event["phase"] == "branches" and event.get("round") == 2:
            raise PlugPulledError("after round 2")

    with pytest.raises(PlugPulledError, match="after round 2"):
        run_small(root, federation, checkpoint=path, report=pull_the_plug)


@pytest.mark.parametrize("strategy", [*rules(), COMBINED])
def test_resumed_study_ends_with_the_very_same_weights(root, tmp_path, strategy):
    federation, path = federation_under(strategy), tmp_path / "checkpoint.safetensors"
    whole = run_small(root, federation)
    stopped_after_two_rounds(root, federation, path)
    resumed = run_small(root, federation, checkpoint=path)
    assert same_study(whole, resumed)
    assert same_arrays(whole.optimisers, resumed.optimisers)
    assert whole.refused == []
    assert np.abs(whole.weights["hif"]["head.weight"]).max() > 1e-3  # which began at 0


@pytest.mark.parametrize("strategy", STATEFUL)
def test_the_optimiser_state_in_the_checkpoint_is_what_makes_it_so(root, tmp_path, strategy):
    federation, path = federation_under(strategy), tmp_path / "checkpoint.safetensors"
    stopped_after_two_rounds(root, federation, path)
    study = StudyState.load(path, federation)
    assert study.optimisers["hif"]
    study.optimisers = {}
    study.save(path)
    assert not same_study(run_small(root, federation), run_small(root, federation, checkpoint=path))


@pytest.mark.parametrize("strategy", centres())
def test_too_few_holders_stop_the_study_before_its_first_round(tmp_path, strategy):
    root = write_sites(tmp_path, federation_under("fedavg"), [("hif",)] * 2, N_CASES[:2])
    grid = WatchedGrid(root, 2)
    with pytest.raises(
        RuntimeError, match=rf"modality hif: {strategy} needs at least [35] sites .* and has 2; wait for"
    ):
        run_small(root, federation_under(strategy), grid)
    assert {message.metadata.message_type for message in grid.asked} == {"query.capabilities"}


def test_a_modality_that_is_done_needs_no_holders_any_more(root, tmp_path):
    """Only the first two sites are back when the study resumes, its branch finished."""
    federation, path = federation_under("krum"), tmp_path / "checkpoint.safetensors"

    def pull_the_plug(event):
        if event["phase"] == "branches" and event.get("round") == 3:
            raise PlugPulledError("after the last round")

    with pytest.raises(PlugPulledError, match="after the last round"):
        run_small(root, federation, checkpoint=path, report=pull_the_plug)
    grid = WatchedGrid(root, 5, loses=lambda message: site_number(message) > 2)
    assert same_study(run_small(root, federation), run_small(root, federation, grid, checkpoint=path))


def one_silent_in_round_2(root, federation, times):
    """The study in which one of five sites misses that many deadlines of round 2, and krum needs five."""
    missed = []

    def silent(message):
        is_hit = message.metadata.group_id == "2" and site_number(message) == 4
        if is_hit and message.metadata.message_id not in missed and len(missed) < times:
            missed.append(message.metadata.message_id)
        return message.metadata.message_id in missed

    return run_small(root, federation, WatchedGrid(root, 5, loses=silent))


def test_a_round_that_too_few_answered_is_skipped_where_the_settings_say_so(root):
    federation = federation_under("krum", absent="skip")
    study = one_silent_in_round_2(root, federation, times=1)
    notes = [note for note in study.notes if note.site == "*"]
    assert [note.part for note in notes] == ["hif"]
    assert notes[0].text.startswith("round 2 skipped: krum needs at least 5 sites to withstand 1 hostile")
    assert study.finished
    assert study.progress["hif"].rounds == 3
    assert not same_arrays(study.weights, run_small(root, federation).weights)


def test_a_round_that_too_few_answered_is_asked_for_again_and_leaves_no_trace_in_the_weights(root):
    federation = federation_under("krum")
    study = one_silent_in_round_2(root, federation, times=2)
    notes = [note.text for note in study.notes if note.site == "*"]
    assert [reason.partition(":")[0] for reason in notes] == ["waits", "waits"]
    assert same_study(study, run_small(root, federation))
