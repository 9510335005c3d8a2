"""The graph encoder: graph convolutions over a case's nodes, averaged to one embedding."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

Convolution = Literal["pna", "gin", "sage"]
Readout = Literal["last", "all"]
_AGGREGATORS = ["mean", "min", "max", "std"]
_SCALERS = ["identity", "amplification", "attenuation"]


class GraphBatch(NamedTuple):
    """Graphs of several cases side by side."""

    nodes: Float[Tensor, "node feature"]
    edges: Int64[Tensor, "2 edge"]
    case: Int64[Tensor, " node"]
    """The case of every node."""
    n_cases: int


class GraphEncoder(nn.Module):
    """Convolutions with LayerNorm, ReLU and dropout, then the mean over a case's nodes.

    The readout `all` also averages what goes into each convolution and the squares of the nodes, so that the embedding
    begins with how the nodes are and how they vary; `last` averages the last convolution alone. LayerNorm, since the
    running statistics of BatchNorm do not average over sites.
    """

    def __init__(
        self,
        n_features: int,
        widths: Sequence[int],
        convolution: str,
        readout: str,
        dropout: float,
        degrees: Float[np.ndarray, " degree"],
    ) -> None:
        """Build the layers; `degrees` counts the nodes of all sites by in-degree, which PNA scales by."""
        super().__init__()
        sizes = [n_features, *widths]
        pairs = pairwise(sizes)
        self.convolutions = nn.ModuleList([_convolution(convolution, *pair, degrees) for pair in pairs])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for width in widths])
        self.dropout = nn.Dropout(dropout)
        self.readout = readout
        self.embedding_size = n_features + sum(sizes) if readout == "all" else sizes[-1]

    def forward(self, batch: GraphBatch) -> Float[Tensor, "case embedding"]:
        """The embedding of each case."""
        embedded = self.node_embeddings(batch)
        total = embedded.new_zeros(batch.n_cases, embedded.shape[1]).index_add(0, batch.case, embedded)
        return total / torch.bincount(batch.case, minlength=batch.n_cases)[:, None]

    def node_embeddings(self, batch: GraphBatch) -> Float[Tensor, "node embedding"]:
        """What each node adds to its case's mean."""
        states = [batch.nodes]
        for convolve, norm in zip(self.convolutions, self.norms, strict=True):
            states.append(self.dropout(norm(convolve(states[-1], batch.edges)).relu()))
        return torch.cat([batch.nodes.square(), *states], dim=1) if self.readout == "all" else states[-1]

    @torch.no_grad()
    def contributions(self, batch: GraphBatch, head: nn.Linear, label: int) -> Float[Tensor, " node"]:
        """What each node of one case adds to the class's logit: together they are the logit without its bias.

        The head is linear and the readout a mean, so the logit is a sum over nodes. What a node adds is its own and its
        neighbours', as far as the convolutions look.
        """
        return self.node_embeddings(batch) @ head.weight[label] / len(batch.nodes)


def _convolution(name: str, before: int, after: int, degrees: np.ndarray) -> nn.Module:
    from torch_geometric.nn import GINConv, PNAConv, SAGEConv  # seconds to load, and only graphs need it

    if name == "sage":
        return SAGEConv(before, after)
    if name == "gin":
        return GINConv(nn.Sequential(nn.Linear(before, after), nn.ReLU(), nn.Linear(after, after)))
    layer = PNAConv(before, after, _AGGREGATORS, _SCALERS, torch.from_numpy(np.rint(degrees)).long())
    for buffer in ("avg_deg_lin", "avg_deg_log"):  # known from the statistics: no weight, so it never travels
        layer.aggr_module.register_buffer(buffer, getattr(layer.aggr_module, buffer), persistent=False)
    return layer
