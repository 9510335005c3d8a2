"""The calibration phase of a whole study: what sites are asked, what they send, and what comes of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from flwr.app import RecordDict

from client.study.calibration import temperature_losses
from client.study.fusion import held_out_outputs, outputs_of
from client.study.session import ClientStudy
from modalities.core.fusion.head import head_named
from modalities.core.model.calibration import GRID, TEMPERATURE, THRESHOLDS, calibrated, temperature_of
from modalities.core.model.conformal import score_counts, thresholds_of
from modalities.core.parts import modality_of
from modalities.core.settings.site import Policy
from modalities.core.site.store import SiteData, digest_of
from server.state.release import fitted_model
from strategies.wire import to_record
from tests.support import WatchedGrid, all_arrays, run_small, site_number, small_federation, with_content, write_sites

FEDERATION = small_federation()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), FEDERATION)


@pytest.fixture(scope="module")
def watched(root):
    grid = WatchedGrid(root)
    return grid, run_small(root, FEDERATION, grid)


def kept_at(root, study, number):
    """The site's study and what it keeps of the closing evaluation."""
    data = SiteData(root / f"site_{number}", FEDERATION)
    site = ClientStudy(data, study.states, {name: digest_of(state) for name, state in study.states.items()})
    weights = {part: own for part, own in study.weights.items() if modality_of(part) in data.modalities}
    return site, held_out_outputs(site, weights)


def losses_at(site, kept, head):
    return temperature_losses(site, "weighted_logits_bias", kept, head)


def by_owner(head):
    found = {}
    for key, array in head.items():
        owner, _, name = key.partition(".")
        found.setdefault(owner, {})[name] = array
    return found


def test_the_study_finds_the_temperature_and_thresholds_that_its_cases_pooled_would(root, watched):
    _, study = watched
    sites = [kept_at(root, study, number) for number in (1, 2, 3)]
    losses = sum(losses_at(*site, by_owner(study.head)) for site in (sites[0], sites[2]))
    assert study.calibration[TEMPERATURE].tolist() == [temperature_of(losses)]
    assert study.calibration[TEMPERATURE][0] != 1
    head = {key: torch.from_numpy(array) for key, array in study.head.items()}
    tables = [
        (calibrated(head_named("weighted_logits_bias"), head, study.calibration, outputs_of(kept)).numpy(), site)
        for site, kept in sites
    ]
    labels = np.concatenate([site.data.site.labels(list(site.data.folds.index)) for _, site in tables])
    pooled = np.concatenate([probabilities for probabilities, _ in tables])
    expected = thresholds_of(score_counts(pooled, labels))
    np.testing.assert_array_equal(study.calibration[THRESHOLDS], expected)


def test_predictions_are_divided_by_the_temperature(root, watched):
    _, study = watched
    model, data = fitted_model(study), SiteData(root / "site_3", FEDERATION)
    outputs = model.outputs({name: data.cases(name) for name in ("cnv", "hif")}, list(data.site.cases.index))
    plain = calibrated(head_named("weighted_logits_bias"), model.head, {}, outputs)
    both = outputs.n_present > 1
    expected = (plain[both].log() / study.calibration[TEMPERATURE][0]).softmax(dim=1)
    np.testing.assert_allclose(model.probabilities(outputs)[both], expected)
    assert not np.allclose(model.probabilities(outputs)[both], plain[both])


def test_a_site_with_one_modality_is_asked_for_a_histogram_only_and_gets_nothing_of_the_head(watched):
    grid, _ = watched
    asked = [message for message in grid.asked if site_number(message) == 2]
    types = [message.metadata.message_type for message in asked]
    assert "query.calibration" not in types
    conformal = [message for message in asked if message.metadata.message_type == "query.conformal"]
    assert [list(message.content) for message in conformal] == [["config.study"]]


def test_what_leaves_is_a_sum_over_temperatures_and_a_histogram(watched):
    grid, _ = watched
    asked = {message.metadata.message_id: message for message in grid.asked}
    found = {}
    for reply in grid.replies:
        kind = asked[reply.metadata.reply_to_message_id].metadata.message_type
        if kind in ("query.calibration", "query.conformal"):
            found.setdefault(kind, []).append(all_arrays(reply.content))
    assert [{key: set(own) for key, own in one.items()} for one in found["query.calibration"]] == [
        {"arrays.shared": {"losses"}}
    ] * 2
    assert [one["arrays.study"]["class-counts"].shape for one in found["query.conformal"]] == [(4, 100)] * 3


def test_no_small_count_leaves_a_site_that_forbids_it(tmp_path):
    root = write_sites(tmp_path, FEDERATION)
    for number in (1, 2, 3):
        data = SiteData(root / f"site_{number}", FEDERATION)
        (root / f"site_{number}" / "site.yaml").write_text(
            (root / f"site_{number}" / "site.yaml").read_text().replace("min_cell: 0", "min_cell: 5")
        )
        assert data.config.policy.min_cell == 0
    grid = WatchedGrid(root)
    run_small(root, FEDERATION, grid)
    asked = {message.metadata.message_id: message for message in grid.asked}
    for reply in grid.replies:
        if asked[reply.metadata.reply_to_message_id].metadata.message_type == "query.conformal":
            counts = all_arrays(reply.content)["arrays.study"]["class-counts"]
            assert not ((counts > 0) & (counts < 5) & (counts != 2.5)).any()
            assert (counts == 2.5).any()


def test_a_site_with_too_few_cases_of_two_modalities_sends_no_loss(root, watched):
    _, study = watched
    site, kept = kept_at(root, study, 1)
    n_cases = int((outputs_of(kept).n_present > 1).sum())
    for min_cell, sends in ((n_cases, True), (n_cases + 1, False)):
        site.data.config = replace(site.data.config, policy=Policy(min_cell=min_cell))
        losses = losses_at(site, kept, by_owner(study.head))
        assert losses.shape == GRID.shape
        assert losses.all() == losses.any() == sends


def test_a_reply_of_another_shape_is_refused_and_the_others_count(tmp_path):
    root = write_sites(tmp_path, FEDERATION, [("cnv", "hif")] * 3)

    def falsify(message, reply):
        if message.metadata.message_type == "query.calibration" and site_number(message) == 3:
            return with_content(reply, RecordDict({"arrays.shared": to_record({"losses": np.zeros(7)})}))
        return None

    study = run_small(root, FEDERATION, WatchedGrid(root, falsifies=falsify))
    refused = {(one.site, one.part): one.text for one in study.refused}
    assert refused == {("site_3", "shared"): "losses is float64[7], expected float64[161]"}
    head = by_owner(study.head)
    others = losses_at(*kept_at(root, study, 1), head) + losses_at(*kept_at(root, study, 2), head)
    assert study.calibration[TEMPERATURE].tolist() == [temperature_of(others)]


def test_nobody_to_calibrate_on_says_so_and_the_study_can_go_on(root, watched, tmp_path):
    _, whole = watched
    path = tmp_path / "checkpoint.safetensors"
    lost = WatchedGrid(root, loses=lambda message: message.metadata.message_type == "query.conformal")
    with pytest.raises(RuntimeError, match=r"calibration: \*: no site \(held by site_1, .* is kept: .* resume"):
        run_small(root, FEDERATION, lost, checkpoint=path)
    resumed = run_small(root, FEDERATION, checkpoint=path)
    assert resumed.calibration[TEMPERATURE].tolist() == whole.calibration[TEMPERATURE].tolist()
    assert resumed.calibration[THRESHOLDS].tolist() == whole.calibration[THRESHOLDS].tolist()


def test_without_held_out_cases_nothing_is_calibrated(root):
    study = run_small(root, small_federation(fusion__fit="none"))
    assert study.calibration == {}
    assert fitted_model(study).calibration == {}
