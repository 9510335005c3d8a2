"""Whole slides as graphs: nodes are clusters of tiles, edges join neighbours."""

from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from modalities.core.blocks.branch import Branch
from modalities.core.blocks.ragged import finalise_rows, means_of_rows, scaled, sums_of_rows
from modalities.core.contract import Cases, Source, State, Sums
from modalities.slides.backbones.table import origin_of
from modalities.slides.nuclei.contributions import Contributions, by_slide, slides_of_case
from modalities.slides.plugin import EXAMPLE_FOLDER, plausibility, recognised, unreadable, write_example

from .config import PRESETS, Config
from .graph import in_degrees
from .network import GraphBatch, GraphEncoder
from .reading import graph_of_case, read

__all__ = ["EXAMPLE_FOLDER", "PRESETS", "Config", "build_encoder", "collate", "explain", "finalise", "prepare", "read"]
__all__ += ["plausibility", "recognised", "sums", "unreadable", "vectors", "write_example"]

_MOST_DEGREES = 32
"""In-degrees are counted from 0 on; this many and more are one count."""


class PreparedGraph(NamedTuple):
    """A case's graph as tensors."""

    nodes: Float[Tensor, "node feature"]
    edges: Int64[Tensor, "2 edge"]


def sums(cases: Cases, config: Config) -> Sums:
    """Moments of the nodes, a case counting as one, and the nodes by in-degree, which PNA scales by."""
    none = np.zeros(0, np.int64)
    degrees = np.concatenate([none, *(np.minimum(in_degrees(graph), _MOST_DEGREES) for graph in cases.values)])
    histogram = np.bincount(degrees, minlength=_MOST_DEGREES + 1).astype(np.float64)
    return {**sums_of_rows([graph.nodes for graph in cases.values]), "degrees": histogram}


def finalise(total: Sums, config: Config) -> State:
    """Mean and inverse standard deviation of each node feature, and the in-degrees of all sites."""
    return {**finalise_rows(total), "degrees": total["degrees"]}


def prepare(cases: Cases, state: State, config: Config) -> list[PreparedGraph]:
    """Scaled nodes and edges of each case."""
    return [
        PreparedGraph(scaled(graph.nodes, state, config.clip), torch.from_numpy(graph.edges)) for graph in cases.values
    ]


def collate(prepared: list[PreparedGraph], rows: Int64[Tensor, " batch"]) -> GraphBatch:
    """The graphs of these rows side by side."""
    chosen = [prepared[row] for row in rows.tolist()]
    sizes = torch.tensor([len(graph.nodes) for graph in chosen], dtype=torch.int64)
    starts = (sizes.cumsum(0) - sizes).tolist()
    edges = torch.cat([graph.edges + start for graph, start in zip(chosen, starts, strict=True)], dim=1)
    case = torch.arange(len(chosen)).repeat_interleave(sizes)
    return GraphBatch(torch.cat([graph.nodes for graph in chosen]), edges, case, len(chosen))


def vectors(cases: Cases) -> Float[np.ndarray, "case feature"]:
    """The mean of each case's nodes: what a model of vectors can make of it."""
    return means_of_rows([graph.nodes for graph in cases.values])


def pretrained(config: Config) -> str:
    """The backbone of the tiles, and what it was trained on."""
    return f"{config.slides.backbone}: {origin_of(config.slides.backbone)}"


def build_encoder(config: Config, state: State) -> nn.Module:
    """Graph convolutions as the settings say."""
    return GraphEncoder(
        len(state["mean"]), config.layers, config.convolution, config.readout, config.dropout, state["degrees"]
    )


def explain(
    source: Source, config: Config, state: State, branch: Branch, case_id: str, label: int | None
) -> tuple[int, list[Contributions]]:
    """What each tile of a case adds to a class, by default to the one that the branch predicts; and that class.

    A node's contribution is shared out evenly over its tiles.

    Raises:
        ValueError: the case has no slide.
    """
    slides = slides_of_case(source, config.slides, case_id)
    graph = graph_of_case(slides, config)
    nodes = PreparedGraph(scaled(graph.nodes, state, config.clip), torch.from_numpy(graph.edges))
    batch = collate([nodes], torch.tensor([0]))
    encoder = cast(GraphEncoder, branch.eval().encoder)
    shown = int(branch(batch)[1][0].argmax()) if label is None else label
    share = encoder.contributions(batch, branch.head, shown).double().numpy()
    n_tiles = np.bincount(graph.node_of_tile)
    of_tile = (share / n_tiles)[graph.node_of_tile]
    return shown, by_slide(slides, of_tile, "the logit without its bias", graph.node_of_tile)
