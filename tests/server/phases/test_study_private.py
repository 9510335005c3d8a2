"""Whole studies that keep an epsilon."""

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from client.study import private
from client.use.predict import predict
from modalities.core.release.release import open_release
from modalities.core.settings.federation import Federation, federation_from
from server.phases.evaluation.phase import UNACCOUNTED
from server.state.release import fitted_model, write_release
from strategies.checks import NUM_EXAMPLES
from strategies.private.bits import Bits
from strategies.wire import METRICS, parts_in
from tests.support import WatchedGrid, features_of, run_small, write_sites

ROUNDS = 4


def private_federation(epsilon: float = 8.0, **privacy: object) -> Federation:
    rounds = {"federated": {"rounds": ROUNDS}}
    table = {"kind": "table", "preset": "private", "features": features_of("table"), "ranges": {"*": [-2.0, 2.0]}}
    modalities = {"cnv": {"preset": "private", **rounds}, "hif": {**table, **rounds}}
    return federation_from(
        {
            "seed": 3,
            "fusion": {"preset": "private"},
            "privacy": {"epsilon": epsilon, "masking": "simulated", "cases": 19, **privacy},
            "modalities": modalities,
        }
    )


@pytest.fixture
def root(tmp_path):
    return write_sites(tmp_path, private_federation())


def test_no_number_leaves_a_site_but_noised_sums_and_public_cases(root):
    grid = WatchedGrid(root)
    study = run_small(root, private_federation(), grid, evaluates=True)
    assert UNACCOUNTED in [note.text for note in study.notes]
    asked = {message.metadata.message_type for message in grid.asked}
    assert asked == {"query.capabilities", "query.setup", "train.branches"}
    for reply in grid.replies:
        for part in parts_in(reply.content, METRICS):
            assert dict(reply.content[METRICS + part]) == {NUM_EXAMPLES: 19}


def test_a_study_repeats_to_the_bit_and_another_epsilon_learns_something_else(root):
    first, again = (run_small(root, private_federation()).weights for _ in range(2))
    other = run_small(root, private_federation(epsilon=7.0)).weights
    assert all(np.array_equal(first["cnv"][name], again["cnv"][name]) for name in first["cnv"])
    assert not np.array_equal(first["cnv"]["head.bias"], other["cnv"]["head.bias"])


def test_under_masks_a_private_study_is_the_same_for_noise_is_whole_under_them(tmp_path, monkeypatch):
    # Other settings draw other noise: here both draw alike.
    monkeypatch.setattr(private, "Bits", lambda secret, purpose: Bits(secret, "alike"))
    holdings, n_cases = [("cnv", "hif")] * 5, (29, 17, 23, 31, 19)
    sites = write_sites(tmp_path, private_federation(), holdings, n_cases)
    federations = private_federation(), private_federation(masking="required")
    simulated, masked = (run_small(sites, one, WatchedGrid(sites, 5)) for one in federations)
    assert masked.notes == []
    for part, weights in simulated.weights.items():
        for name, array in weights.items():
            assert np.abs(array).max() > 0.01
            assert masked.weights[part][name] == pytest.approx(array, abs=2e-6)


def test_the_less_epsilon_the_more_noise_is_in_the_weights(root):
    loud, quiet = (
        run_small(root, private_federation(epsilon)).weights["hif"]["head.weight"] for epsilon in (0.5, 50.0)
    )
    assert np.abs(quiet).max() < 1
    assert np.abs(loud).max() > 5 * np.abs(quiet).max()


def test_the_release_of_a_private_study_tells_no_class_counts_and_predicts(root, tmp_path):
    study = run_small(root, private_federation())
    folder = write_release(tmp_path / "release", study)
    assert study.class_counts == [0.0] * 4
    assert study.head_name == "mean"
    assert not study.calibration
    assert fitted_model(study).federation.privacy.epsilon == 8.0
    found = predict(open_release(folder), root / "site_2")
    assert found.prior == pytest.approx([0.25] * 4)


@pytest.mark.parametrize("asked", ["query.statistics", "evaluate.branches", "train.fusion", "query.calibration"])
def test_a_site_answers_nothing_that_is_not_accounted_for(root, asked):
    grid, federation = WatchedGrid(root), private_federation()
    run_small(root, federation, grid)
    node = next(iter(grid.get_node_ids()))
    content = RecordDict({"config.study": ConfigRecord({"head": "mean"})})
    (identity,) = grid.push_messages([Message(content, node, asked)])
    (reply,) = grid.pull_messages([identity])
    assert reply.has_error()
