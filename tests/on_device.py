"""The whole path on another device than the processor: the stand-in of `second_device`, and a GPU where there is one.

Run by tests/client/study/test_device.py in a process of its own, since a device in use and a fork do not go together.
"""

import numpy as np
import pytest
import torch

import modalities.core.device
import modalities.core.fusion.evidence
from client.alone.model import ModelFit, fit_pooled
from client.study.training import Pull, loss_sum, optimiser_of, train_epoch
from modalities.core.blocks.branch import build_branch, load_weights, own_weights, weights_of
from modalities.core.contract import Cases
from modalities.core.device import moved
from modalities.core.fusion.evidence import Evidence, Question
from modalities.core.fusion.head import heads
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.settings import Fusion
from modalities.core.model.predict import branch_outputs
from modalities.core.registry import plugin
from modalities.core.seeds import seed_torch
from modalities.core.settings.federation import federation_from
from modalities.core.site.example import example_features
from modalities.core.site.store import BranchData, SiteData
from modalities.core.site.tensor_files import load_tensors, save_tensors
from modalities.wsi_image.poolings import POOLINGS
from tests.modalities.wsi import classed_features, config_of
from tests.second_device import second_device
from tests.server.phases.test_study_private import private_federation
from tests.support import run_small, write_sites

CLOSE = 1e-3
"""How far a GPU's weights may be from the processor's."""
KINDS = {
    "cnv": {"kind": "cnv", "hidden": [5]},
    "image": {"kind": "wsi_image", "pooling": "attention", "hidden": [6]},
    "graph": {"kind": "wsi_graph"},
}
HOLDINGS, N_CASES = (("cnv", "image", "graph"), ("cnv",), ("cnv", "image", "graph")), (9, 11, 8)


@pytest.fixture(params=["standin", "cuda"])
def elsewhere(request, monkeypatch):
    """The device, and every choice of one falls on it; what was asked for, as it is chosen."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch finds no GPU here")
    with second_device() as stand_in:
        device, asked = torch.device("cuda", 0) if request.param == "cuda" else stand_in, []

        def device_for(wanted, work):
            asked.append((wanted, work()))
            return torch.device("cpu") if wanted == "cpu" else device

        for module in (modalities.core.device, modalities.core.fusion.evidence):
            monkeypatch.setattr(module, "device_for", device_for)
        yield device, asked


def federation(**changes):
    sections = {
        name: {**own, "features": example_features(own["kind"]), "federated": {"rounds": 2}, "training": {"epochs": 3}}
        for name, own in KINDS.items()
    }
    sections["cnv"]["federated"] |= {"strategy": "fedprox", "proximal_mu": 0.1, "optimiser": "adam", "batch_size": 3}
    sections["image"]["training"] |= {"class_weight_exponent": 0.5, "prior_correction": 1.0}
    return federation_from({"seed": 3, "fusion": {"folds": 2, "rounds": 3}, "modalities": sections, **changes})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sites(tmp_path_factory.mktemp("sites"), federation(), HOLDINGS, N_CASES)


@pytest.fixture(scope="module")
def on_processor(root):
    """A study and a pooled model, as they are without any other device."""
    sites = [SiteData(root / f"site_{number}", federation()) for number in (1, 2, 3)]
    return run_small(root, federation()), fit_pooled(sites, federation(), "centralised")


def are_alike(found, expected, device, near=0.0):
    """To the bit on the stand-in; on a GPU, and where torch takes sums apart in another way for it, nearly."""
    assert {key: own.dtype for key, own in found.items()} == {key: own.dtype for key, own in expected.items()}
    for key, own in expected.items():
        np.testing.assert_allclose(found[key], own, rtol=0, atol=CLOSE if device.type == "cuda" else near, err_msg=key)


def test_the_second_device_refuses_what_a_gpu_would(elsewhere):
    device, _ = elsewhere
    here, there = torch.ones(3, 2), torch.ones(2, 5, device=device)
    with pytest.raises(RuntimeError, match="device"):
        here @ there
    with pytest.raises((RuntimeError, TypeError), match="numpy"):
        there.numpy()


def test_a_study_ends_with_the_processors_weights_head_and_calibration(root, on_processor, elsewhere):
    device, asked = elsewhere
    study, expected = run_small(root, federation()), on_processor[0]
    for part, weights in expected.weights.items():
        are_alike(study.weights[part], weights, device)
    are_alike(study.head, expected.head, device)
    are_alike(study.calibration, expected.calibration, device)
    assert {wanted for wanted, _ in asked} == {"auto"}
    n_parameters = sum(own.size for own in expected.weights["cnv"].values())
    assert n_parameters * 3.0 in {work for _, work in asked}  # a batch of three cases


def test_a_model_trained_in_one_place_is_the_processors_and_so_is_what_it_says(root, on_processor, elsewhere, tmp_path):
    (device, _), fitted = elsewhere, on_processor[1]
    sites = [SiteData(root / f"site_{number}", federation()) for number in (1, 2, 3)]
    begun = ModelFit(sites, federation(), "centralised")
    assert not begun.train(until=0.0)  # one epoch, and what is done of it goes to a file
    save_tensors(tmp_path / "kept", begun.to_plain())
    again = ModelFit(sites, federation(), "centralised", load_tensors(tmp_path / "kept"))
    again.train()
    found = again.fitted()
    for name, branch in fitted.model.branches.items():
        are_alike(found.model.branches[name].weights, branch.weights, device)
    cases, case_ids = {name: sites[0].cases(name) for name in sites[0].modalities}, list(sites[0].site.cases.index)
    outputs, expected = (model.outputs(cases, case_ids) for model in (found.model, fitted.model))
    for name in cases:
        assert {outputs.logits[name].device.type, outputs.embeddings[name].device.type} == {"cpu"}
        np.testing.assert_allclose(outputs.logits[name], expected.logits[name], atol=CLOSE)


def test_under_an_epsilon_training_stays_on_the_processor(elsewhere, tmp_path):
    _, asked = elsewhere
    run_small(write_sites(tmp_path, private_federation()), private_federation())
    assert {wanted for wanted, _ in asked} == {"cpu"}


def cases_of(kind):
    rng, n_tiles = np.random.default_rng(5), (3, 11, 7, 1, 5)
    labels = [0, 1, 2, 1, 0]
    values = [classed_features(label, n, rng, 7) for label, n in zip(labels, n_tiles, strict=True)]
    if kind == "wsi_graph":
        from modalities.wsi_graph.graph import Graph

        rings = [np.stack([np.arange(n), np.roll(np.arange(n), 1)]) for n in n_tiles]
        values = [Graph(own, ring, np.arange(len(own))) for own, ring in zip(values, rings, strict=True)]
    return Cases(tuple("abcde"), values), torch.tensor(labels)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("wsi_image", {"pooling": pooling, "hidden": [6], "dropout": 0.2}) for pooling in POOLINGS]
    + [
        ("wsi_graph", {"convolution": name, "readout": how})
        for name, how in (("pna", "all"), ("gin", "last"), ("sage", "all"))
    ],
)
def test_every_pooling_and_convolution_trains_and_predicts_there(kind, settings, elsewhere):
    device, _ = elsewhere
    if device.type == "cuda":
        settings = {**settings, "dropout": 0.0}  # a GPU hides other inputs
    config, module, (cases, labels) = config_of(kind, **settings), plugin(kind), cases_of(kind)
    state = module.finalise(module.sums(cases, config), config)
    data = BranchData(cases.case_ids, module.prepare(cases, state, config), labels, np.zeros(5), module.collate)
    found = []
    for where in (torch.device("cpu"), device):
        branch = build_branch(config, state, 3, seed=2).to(where)
        load_weights(branch, {name: own + 0.01 for name, own in weights_of(branch).items()})
        optimiser, pull = optimiser_of("adam", branch, 0.01, 1e-3), Pull.from_here(branch, 0.1)
        seed_torch(7, where)
        loss = train_epoch(branch, data, np.arange(5), optimiser, 2, pull)
        said = branch_outputs(branch, kind, data.prepared)
        scores = {"loss": np.array(loss), "held_out": np.array(loss_sum(branch, data, np.arange(3)))}
        found.append({**own_weights(branch), "logits": said[0].numpy(), "embeddings": said[1].numpy(), **scores})
    are_alike(found[1], found[0], device)


@pytest.mark.parametrize("name", sorted(heads()))
def test_every_fusion_head_answers_from_there(name, elsewhere):
    (device, _), generator = elsewhere, torch.Generator().manual_seed(4)
    sizes, n, fusion = {"a": 3, "b": 5}, 17, Fusion(head=name, fit="crossfit")
    parameters = heads()[name].initial(sizes, 4, fusion, seed=1)
    groups = [
        {key: torch.randn(n, width, generator=generator).double() for key, width in widths.items()}
        for widths in (dict.fromkeys(sizes, 4), sizes)
    ]
    present = {key: torch.rand(n, generator=generator) < 0.8 for key in sizes}
    labels, folds = torch.arange(n) % 4, 1 + torch.arange(n) % 3
    weights, outputs = torch.tensor([0.5, 1.0, 2.0, 1.5]).double(), Outputs(*groups, present)
    here, there = (
        Evidence(outputs, labels, folds, asked).answer(Question(name, held_out=2), parameters, weights, 0.3)
        for asked in ("cpu", "auto")
    )
    are_alike(
        {key: own.numpy() for key, own in there.gradient.items()},
        {key: own.numpy() for key, own in here.gradient.items()},
        device,
        near=1e-5 if name == "transformer" else 0.0,
    )
    assert (there.loss, there.held_out) == pytest.approx((here.loss, here.held_out), rel=1e-6)
    assert there.n_held_out == here.n_held_out > 0


def test_a_batch_of_pytorch_geometric_moves_as_a_whole(elsewhere):
    from torch_geometric.data import Batch, Data

    device, _ = elsewhere
    edges = torch.tensor([[0, 1], [1, 0]])
    batch = moved(Batch.from_data_list([Data(x=torch.ones(2, 3), edge_index=edges) for _ in range(2)]), device)
    assert {batch.x.device.type, batch.edge_index.device.type, batch.batch.device.type} == {device.type}
