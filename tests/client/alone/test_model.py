"""Models trained in one place: the centralised and the local arms."""

import numpy as np
import pytest
import torch

from client.alone.model import ModelFit, fit_pooled
from client.alone.pooled import pooled_data, pooled_state
from modalities.core.blocks.tabular import finalise, sums
from modalities.core.contract import Cases
from modalities.core.registry import plugin
from modalities.core.site.store import SiteData
from modalities.core.site.tensor_files import load_tensors, save_tensors
from tests.modalities.core.fusion.test_evidence import SMOOTH
from tests.support import same_arrays, small_federation, write_sites

FEDERATION = small_federation(
    modalities__cnv__training={"epochs": 3, "patience": 0}, modalities__hif__training={"epochs": 7, "patience": 2}
)


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """Both modalities, copy number only, and both."""
    root = write_sites(tmp_path_factory.mktemp("sites"), FEDERATION)
    return [SiteData(root / f"site_{number}", FEDERATION) for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def fitted(sites):
    return fit_pooled(sites, FEDERATION, "centralised")


def test_pooled_statistics_are_those_of_one_big_site(sites):
    holders = [sites[0], sites[2]]
    parts = [site.cases("hif").select(site.training_cases("hif")) for site in holders]
    values = np.concatenate([part.values for part in parts])
    config = FEDERATION.modalities["hif"]
    whole = Cases(tuple(str(row) for row in range(len(values))), values, parts[0].features)
    expected = finalise(sums(whole, config), config)
    found = pooled_state(holders, "hif")
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-12)
    np.testing.assert_allclose(found["mean"], np.nanmean(values.astype(float), axis=0))
    np.testing.assert_allclose(1 / found["inverse_scale"], np.nanstd(values.astype(float), axis=0))


def test_pooled_cases_are_those_of_all_sites_with_their_folds(sites):
    state = pooled_state(sites, "cnv")
    data = pooled_data(sites, "cnv", state)
    each = [site.training("cnv", state) for site in sites]
    assert data.case_ids == tuple(case_id for own in each for case_id in own.case_ids)
    assert torch.equal(data.prepared, torch.cat([own.prepared for own in each]))
    assert data.labels.tolist() == [label for own in each for label in own.labels.tolist()]
    assert data.folds.tolist() == [fold for own in each for fold in own.folds.tolist()]


def test_the_same_fit_gives_the_same_bits_and_another_arm_other_weights(sites, fitted):
    again = fit_pooled(sites, FEDERATION, "centralised")
    other = fit_pooled(sites, small_federation(**{**_changes(), "seed": 4}), "centralised")
    for name in ("cnv", "hif"):
        weights = [{"w": each.model.branches[name].weights} for each in (fitted, again, other)]
        assert same_arrays({"w": weights[0]["w"]}, {"w": weights[1]["w"]})
        assert not same_arrays({"w": weights[0]["w"]}, {"w": weights[2]["w"]})
    assert all(torch.equal(fitted.model.head[name], again.model.head[name]) for name in fitted.model.head)


def _changes():
    return {
        "modalities__cnv__training": {"epochs": 3, "patience": 0},
        "modalities__hif__training": {"epochs": 7, "patience": 2},
    }


def test_a_fit_that_stops_after_every_epoch_and_goes_on_from_disk_gives_the_same_bits(sites, fitted, tmp_path):
    kept, stops = {}, []
    while not stops or not stops[-1]:
        fit = ModelFit(sites, FEDERATION, "centralised", kept)
        stops.append(fit.train(until=0.0))
        save_tensors(tmp_path / f"{len(stops)}", fit.to_plain())
        kept = load_tensors(tmp_path / f"{len(stops)}")
    epochs = {name: len(curve) for name, curve in fitted.curves.items()}
    assert len(stops) == sum(epochs.values())
    again = ModelFit(sites, FEDERATION, "centralised", kept)
    assert again.epochs == epochs
    whole = again.fitted()
    assert (whole.curves, whole.stopped) == (fitted.curves, fitted.stopped)
    for name, branch in fitted.model.branches.items():
        assert same_arrays({"w": whole.model.branches[name].weights}, {"w": branch.weights})
    assert all(torch.equal(whole.model.head[name], values) for name, values in fitted.model.head.items())
    assert same_arrays({"c": whole.model.calibration}, {"c": fitted.model.calibration})
    assert whole.held_out.case_ids == fitted.held_out.case_ids


def test_a_model_whose_branches_are_not_trained_is_none(sites):
    fit = ModelFit(sites, FEDERATION, "centralised")
    assert not fit.train(until=0.0)
    with pytest.raises(RuntimeError, match="not trained yet: cnv, hif"):
        fit.fitted()


def test_curves_and_stops_follow_the_settings(fitted):
    assert len(fitted.curves["cnv"]) == 3
    assert fitted.stopped["cnv"] == 3  # no patience: the last epoch
    assert 1 <= fitted.stopped["hif"] <= len(fitted.curves["hif"]) <= 7
    assert fitted.curves["cnv"][-1] < np.log(4)


def test_a_site_alone_gets_the_branches_it_has_data_for(sites):
    alone = fit_pooled([sites[1]], FEDERATION, "local:site_2")
    assert set(alone.model.branches) == {"cnv"}
    outputs = alone.model.outputs({"cnv": sites[1].cases("cnv")}, list(sites[1].site.cases.index))
    logits = alone.model.probabilities(outputs)
    own = outputs.logits["cnv"].softmax(dim=1).numpy()
    held = outputs.present["cnv"].numpy()
    np.testing.assert_array_equal(logits[held], own[held])


def test_head_is_fitted_and_finite(fitted):
    assert set(fitted.model.head) == {"cnv.d", "hif.d", "shared.b", "shared.s"}
    assert all(bool(torch.isfinite(values).all()) for values in fitted.model.head.values())
    assert float(fitted.model.head["shared.b"].abs().sum()) > 0


@pytest.mark.parametrize("name", SMOOTH)
def test_head_of_a_federation_is_the_optimum_that_pooled_cases_reach(name):
    """The same branches, frozen: the federation's summed gradient finds what one pooled fit finds."""
    from modalities.core.fusion.evidence import Evaluation, class_weights, loss_and_gradient
    from modalities.core.fusion.fit import minimise
    from modalities.core.fusion.head import head_named
    from modalities.core.fusion.outputs import Outputs

    head, settings = head_named(name), FEDERATION.fusion
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (37,), generator=generator)
    logits = {name: torch.randn(37, 4, generator=generator, dtype=torch.float64) for name in ("cnv", "hif")}
    everything = Outputs(logits, logits, {name: torch.ones(37, dtype=torch.bool) for name in logits})
    weights = class_weights(np.bincount(labels, minlength=4).astype(float), 0.25)
    rows = [torch.arange(0, 11), torch.arange(11, 37)]

    def pooled(parameters):
        return Evaluation(*loss_and_gradient(head, parameters, everything, labels, weights, 0.3))

    def summed(parameters):
        each = [loss_and_gradient(head, parameters, everything.rows(own), labels[own], weights, 0.3) for own in rows]
        gradient = {name: each[0][1][name] + each[1][1][name] for name in parameters}
        return Evaluation(sum(loss for loss, _ in each), gradient)

    start = head.initial({"cnv": 4, "hif": 4}, 4, settings, seed=0)
    one, other = (minimise(head, start, evaluate, settings) for evaluate in (pooled, summed))
    assert all(torch.allclose(one[key], other[key], atol=1e-4) for key in start)


def test_plugins_agree_with_the_pooled_state(sites):
    state = pooled_state(sites, "cnv")
    config = FEDERATION.modalities["cnv"]
    prepared = plugin("cnv").prepare(sites[0].cases("cnv"), state, config)
    assert prepared.shape[1] == len(state["mean"]) + len(state["flagged"])
