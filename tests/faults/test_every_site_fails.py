"""No site is left: the run stops with one message, keeps what it has, and can be resumed."""

import pytest
from flwr.app import Error, Message

from server.phases.fusion import NOT_FITTED
from server.state.study import StudyState
from tests.faults.test_sites_that_fail import FEDERATION, HOLDINGS, N_CASES, SECRET
from tests.support import (
    WatchedGrid,
    all_arrays,
    run_small,
    same_study,
    site_number,
    small_federation,
    write_sites,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("three"), FEDERATION, HOLDINGS, N_CASES)


TWO_ROUNDS = small_federation(fusion__rounds=1)


@pytest.fixture(scope="module")
def whole(root):
    return run_small(root, FEDERATION)


PHASES = {
    "query.capabilities": "no site takes part in this study; the sites' logs say why",
    "query.statistics": "cnv: no site sent usable statistics; the sites' logs say why",
    "query.setup": "no site took in the settings; the sites' logs say why",
    "train.branches": r"cnv: 0 of the at least 1 sites that min_holders asks for \(held by site_1, site_2, site_3\); "
    "hif: .*; everything until now is kept: see to it that these sites are connected and that their logs show no "
    "error, then resume",
    "train.fusion": r"fusion: cnv: 0 of at least 2 sites that have it beside another modality \(held by .* resume",
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", ["errors", "silence"])
def test_when_every_site_fails_the_run_stops_with_one_clear_message_and_can_be_resumed(
    root, whole, tmp_path, phase, kind
):
    def of_phase(message):
        return message.metadata.message_type == phase

    faults = {
        "errors": {
            "falsifies": lambda asked, reply: Message(Error(2, SECRET), reply_to=asked) if of_phase(asked) else None
        },
        "silence": {"loses": of_phase},
    }
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(RuntimeError, match=f"^{PHASES[phase]}$"):
        run_small(root, FEDERATION, WatchedGrid(root, **faults[kind]), timeout=0.1, checkpoint=path)
    assert same_study(run_small(root, FEDERATION, checkpoint=path), whole)


def test_when_every_site_fails_in_a_later_round_the_rounds_before_are_kept(root, tmp_path):
    def fails(asked, reply):
        return Message(Error(2, SECRET), reply_to=asked) if asked.metadata.group_id == "2" else None

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(RuntimeError, match="cnv: 0 of the at least 1 sites"):
        run_small(root, TWO_ROUNDS, WatchedGrid(root, falsifies=fails), checkpoint=path)
    grid = WatchedGrid(root)
    resumed = run_small(root, TWO_ROUNDS, grid, checkpoint=path)
    assert same_study(resumed, run_small(root, TWO_ROUNDS))
    rounds = {message.metadata.group_id for message in grid.asked if message.metadata.message_type == "train.branches"}
    assert rounds == {"2"}


def test_too_few_nodes_are_waited_for_and_then_named(root):
    with pytest.raises(RuntimeError, match="3 of 4 sites are there after 0 s"):
        run_small(root, FEDERATION, sites=4, wait=0.0)


@pytest.mark.parametrize("absent", ["wait", "skip"])
def test_a_modality_whose_only_holder_fails_in_training_keeps_its_first_weights(tmp_path, absent):
    """The study then waits for that site, or goes on without that modality's rounds; no head is fitted on one site."""
    federation = small_federation(modalities__hif__federated__absent=absent)
    root = write_sites(tmp_path, federation, [("cnv",), ("hif", "cnv")], [23, 19])

    def fails(asked, reply):
        is_bad = site_number(asked) == 2 and "train" in asked.metadata.message_type
        return Message(Error(2, ""), reply_to=asked) if is_bad else None

    grid = WatchedGrid(root, 2, falsifies=fails)
    if absent == "wait":
        with pytest.raises(RuntimeError, match=r"^hif: 0 of .* \(held by site_2\)"):
            run_small(root, federation, grid, checkpoint=tmp_path / "c")
    else:
        run_small(root, federation, grid, checkpoint=tmp_path / "c")
    study = StudyState.load(tmp_path / "c", federation)
    first = next(m for m in grid.asked if m.metadata.message_type == "train.branches" and "arrays.hif" in m.content)
    sent = all_arrays(first.content)["arrays.hif"]
    assert all(study.weights["hif"][name].tobytes() == array.tobytes() for name, array in sent.items())
    assert study.progress["cnv"].rounds == 2
    assert study.progress["hif"].rounds == {"wait": 0, "skip": 2}[absent]
    reasons = [note.text for note in study.notes if note.part == "hif" and note.text != NOT_FITTED]
    few = "0 of the at least 1 sites that min_holders asks for"
    assert reasons == {"wait": [f"waits: {few}"], "skip": [f"round {n} skipped: {few}" for n in (1, 2)]}[absent]
