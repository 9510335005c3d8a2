"""A branch: a modality's encoder and its linear head, and the arrays that it is made of."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from modalities.core.contract import State
from modalities.core.registry import plugin
from modalities.core.seeds import seed_torch
from modalities.core.settings.training import BranchConfig

Weights = dict[str, np.ndarray]
Losses = Callable[[Tensor, Tensor], Tensor]
"""Logits and labels of some rows (cases, or tiles) -> a loss of each."""


def cross_entropies(logits: Float[Tensor, "row class"], labels: Int64[Tensor, " row"]) -> Float[Tensor, " row"]:
    """Plain cross-entropy."""
    return nn.functional.cross_entropy(logits, labels, reduction="none")


class Branch(nn.Module):
    """Encoder and linear head: batch -> (embedding, logits).

    An encoder that scores the parts of a case, such as the tiles of a slide, may bring two methods that get the head:
    `pool(batch, head)` gives embedding and logits where logits are more than head(embedding), and
    `loss(batch, head, labels, losses)` the mean training loss a case.
    """

    def __init__(self, encoder: nn.Module, n_classes: int) -> None:
        """Put a head on an encoder that says its `embedding_size`."""
        super().__init__()
        self.encoder = encoder
        size = encoder.embedding_size
        if not isinstance(size, int):
            raise TypeError(f"an encoder's embedding_size must be an int, got {size!r}")
        self.head = nn.Linear(size, n_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def device(self) -> torch.device:
        """Where it computes: all of it is where its head is."""
        return self.head.weight.device

    def forward(self, batch: Any) -> tuple[Float[Tensor, "case embedding"], Float[Tensor, "case class"]]:
        """Embedding and logits of each case."""
        pool = getattr(self.encoder, "pool", None)
        if pool is not None:
            return pool(batch, self.head)
        embedding = self.encoder(batch)
        return embedding, self.head(embedding)

    def loss(self, batch: Any, labels: Int64[Tensor, " case"], losses: Losses = cross_entropies) -> Float[Tensor, ""]:
        """The mean training loss a case: of the logits, unless the encoder says otherwise."""
        own = getattr(self.encoder, "loss", None)
        if own is not None:
            return own(batch, self.head, labels, losses)
        return losses(self(batch)[1], labels).mean()


def build_branch(config: BranchConfig, state: State, n_classes: int, seed: int) -> Branch:
    """A fresh branch whose initial weights depend on the seed alone."""
    seed_torch(seed)
    return Branch(plugin(config.kind).build_encoder(config, state), n_classes)


def n_weights(config: BranchConfig, state: State, n_classes: int) -> int:
    """How many numbers such a branch is made of; nothing is allocated."""
    with torch.device("meta"):
        branch = Branch(plugin(config.kind).build_encoder(config, state), n_classes)
    return sum(tensor.numel() for tensor in branch.state_dict().values())


def weights_of(branch: nn.Module) -> Weights:
    """Copies of the branch's tensors, by name."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in branch.state_dict().items()}


def own_weights(branch: nn.Module) -> Weights:
    """The branch's tensors themselves, by name: no copy, for a branch that gets new ones before it is used again.

    Those of a branch on a GPU are brought to the processor.
    """
    return {name: tensor.detach().cpu().numpy() for name, tensor in branch.state_dict().items()}


def load_weights(branch: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Give the branch copies of the arrays, where it is; the tensors that it had stay as they are with their takers.

    Raises:
        ValueError: a name is missing or unknown, or a shape differs.
    """
    own = branch.state_dict(keep_vars=True)
    if own.keys() != weights.keys():
        raise ValueError(f"weights do not fit the branch: {sorted(own.keys() ^ weights.keys())}")
    for name, tensor in own.items():
        if tensor.shape != weights[name].shape:
            raise ValueError(f"{name}: shape {weights[name].shape} does not fit {tuple(tensor.shape)}")
        tensor.data = torch.from_numpy(np.array(weights[name], order="C")).to(tensor.device, tensor.dtype)
