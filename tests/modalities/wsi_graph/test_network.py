import dataclasses

import numpy as np
import pytest
import torch

from modalities import wsi_graph
from modalities.core.blocks.branch import build_branch
from modalities.wsi_graph.network import GraphBatch
from modalities.wsi_graph.reading import graph_of
from tests.modalities.wsi import as_cases, config_of, tiles_of


def prepared(config, n_cases=5, seed=0):
    rng = np.random.default_rng(seed)
    cases = as_cases([graph_of(tiles_of(40 + 13 * number, rng), config) for number in range(n_cases)])
    state = wsi_graph.finalise(wsi_graph.sums(cases, config), config)
    return cases, state, wsi_graph.prepare(cases, state, config)


def test_histogram_counts_every_node_by_in_degree_and_adds_up_over_sites():
    config = config_of("wsi_graph")
    cases = prepared(config)[0]
    whole = wsi_graph.sums(cases, config)["degrees"]
    parts = [wsi_graph.sums(cases.select(ids), config)["degrees"] for ids in (cases.case_ids[:2], cases.case_ids[2:])]
    assert whole.dtype == np.float64
    assert whole.sum() == sum(len(graph.nodes) for graph in cases.values)
    assert whole @ np.arange(33) == sum(graph.edges.shape[1] for graph in cases.values)
    np.testing.assert_array_equal(parts[0] + parts[1], whole)


def test_pna_scales_by_the_degrees_of_all_sites_and_they_are_no_weights():
    config = config_of("wsi_graph", convolution="pna")
    _, state, _ = prepared(config)
    branch = build_branch(config, state, 4, seed=1)
    degree = np.arange(33)
    layer = branch.encoder.convolutions[0]
    expected = (np.log(degree + 1) * state["degrees"]).sum() / state["degrees"].sum()
    assert float(layer.aggr_module.avg_deg_log) == pytest.approx(expected, rel=1e-6)
    assert not [name for name in branch.state_dict() if "avg_deg" in name], "they would travel as weights"


def test_graphs_whose_nodes_are_all_alone_give_finite_outputs():
    config = config_of("wsi_graph", convolution="pna", edge_px=1.0)
    _, state, graphs = prepared(config)
    assert state["degrees"].tolist() == [0.0, state["degrees"].sum(), *[0.0] * 31], "each listens to itself alone"
    branch = build_branch(config, state, 4, seed=1).eval()
    assert bool(torch.isfinite(branch(wsi_graph.collate(graphs, torch.tensor([0, 3])))[1]).all())


@pytest.mark.parametrize("convolution", ["pna", "gin", "sage"])
@pytest.mark.parametrize("readout", ["last", "all"])
def test_a_case_gets_the_same_embedding_in_any_batch_and_any_order_of_its_nodes(convolution, readout):
    config = config_of("wsi_graph", convolution=convolution, readout=readout, layers=[6, 3])
    _, state, graphs = prepared(config)
    branch = build_branch(config, state, 4, seed=1).eval()
    together = branch(wsi_graph.collate(graphs, torch.tensor([4, 2])))[0]
    assert together.shape == (2, 3 if readout == "last" else 5 + 5 + 6 + 3)
    alone = wsi_graph.collate(graphs, torch.tensor([2]))
    assert torch.allclose(branch(alone)[0][0], together[1], atol=1e-5)
    order = torch.randperm(len(alone.nodes), generator=torch.Generator().manual_seed(0))
    turned = GraphBatch(alone.nodes[order], order.argsort()[alone.edges], alone.case, 1)
    assert torch.allclose(branch(turned)[0][0], together[1], atol=1e-5)


def test_contributions_of_nodes_add_up_to_the_logit_without_its_bias():
    config = config_of("wsi_graph", convolution="pna", layers=[32, 16, 8])
    _, state, graphs = prepared(config)
    branch = build_branch(config, state, 4, seed=1).eval()
    torch.nn.init.normal_(branch.head.weight)
    torch.nn.init.normal_(branch.head.bias)
    batch = wsi_graph.collate(graphs, torch.tensor([1]))
    for label in range(4):
        found = branch.encoder.contributions(batch, branch.head, label)
        assert found.shape == (len(batch.nodes),)
        whole = branch(batch)[1][0, label].item()
        assert (found.sum() + branch.head.bias[label]).item() == pytest.approx(whole, abs=1e-5)


def test_paper_preset_has_the_papers_numbers():
    """Arxiv 2509.03408: 512-pixel tiles at 40x, thresholds and layers of its graph branch."""
    config = config_of("wsi_graph", preset="paper")
    assert config.reference_mpp * 512 == config.slides.tile_um
    assert (config.slides.saturation, config.slides.median_px, config.slides.min_tissue) == (20, 7, 0.05)
    assert config.slides.n_tiles == 0
    clustering = dataclasses.asdict(config.clustering)
    assert clustering == clustering | {"spatial_threshold_px": 2000.0, "gamma": 0.001, "cut": 0.8}
    assert config.edge_px == 4000.0
    assert (config.convolution, list(config.layers), config.dropout) == ("pna", [32, 16, 8], 0.2)
    assert config.training.lr == config.federated.lr == 1e-4


def test_settings_out_of_range_are_all_named():
    with pytest.raises(ValueError, match=r"(?s)inputs: must be .*'nuclei'.*\.convolution: must be .*'gcn'"):
        config_of("wsi_graph", inputs="nuclei", convolution="gcn")
