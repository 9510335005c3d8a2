"""From a bag of tile features to one embedding and the logits of a case: what all poolings share."""

import importlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from modalities.core.blocks.branch import Losses
from modalities.core.blocks.networks import SelfNormalisingNetwork

from . import poolings
from .config import Config


class Bags(NamedTuple):
    """The tiles of some cases, one case after the other."""

    tiles: Float[Tensor, "tile feature"]
    case: Int64[Tensor, " tile"]
    """Row in the batch of each tile's case."""
    sizes: tuple[int, ...]
    """Tiles of each case."""

    @classmethod
    def of(cls, tiles: Float[Tensor, "tile feature"], sizes: Sequence[int]) -> "Bags":
        """So many tiles a case."""
        return cls(
            tiles, torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes, dtype=torch.int64)), tuple(sizes)
        )

    @property
    def n_cases(self) -> int:
        """Cases of the batch."""
        return len(self.sizes)


class TileEncoder(nn.Module):
    """A small network over every tile, then the mean over a case's tiles; trained on cases.

    A file of the folder `poolings` defines `Encoder`, derived from this class, with what it does otherwise.
    """

    of_means = False
    """Whether a case's mean tile is all that it wants: then `prepare` keeps that alone."""
    is_tile_wise = False
    """Whether it learns from every tile as if that carried its case's label, and pools only to predict."""
    contribution_of = "the logit without its bias"
    """What the contributions of a case's tiles add up to."""

    def __init__(self, n_features: int, config: Config) -> None:
        """Build the network over tiles; what a pooling adds is built after it."""
        super().__init__()
        self.tile = SelfNormalisingNetwork(n_features, config.hidden, config.dropout, config.input_dropout)
        self.embedding_size = self.tile.embedding_size

    def tiles_of(self, bags: Bags) -> Float[Tensor, "tile embedding"]:
        """The embedding of each tile."""
        return self.tile(bags.tiles)

    def shares(self, embedded: Float[Tensor, "tile embedding"], bags: Bags) -> Float[Tensor, " tile"]:
        """What each tile weighs in its case; adds up to 1 over a case's tiles."""
        n_tiles = torch.bincount(bags.case, minlength=bags.n_cases)
        return (1 / n_tiles[bags.case]).to(embedded.dtype)

    def parts(
        self, embedded: Float[Tensor, "tile embedding"], shares: Float[Tensor, " tile"], head: nn.Linear, label: int
    ) -> Float[Tensor, " tile"]:
        """What each tile of one case adds to what `contribution_of` says."""
        return embedded @ head.weight[label] * shares

    def forward(self, bags: Bags) -> Float[Tensor, "case embedding"]:
        """The embedding of each case."""
        return self.embedded(bags)[0]

    def pool(self, bags: Bags, head: nn.Linear) -> tuple[Float[Tensor, "case embedding"], Float[Tensor, "case class"]]:
        """Embedding and logits of each case."""
        embedding = self.embedded(bags)[0]
        return embedding, head(embedding)

    def embedded(
        self, bags: Bags
    ) -> tuple[Float[Tensor, "case embedding"], Float[Tensor, "tile embedding"], Float[Tensor, " tile"]]:
        """The embeddings of cases and of tiles, and the tiles' shares."""
        tiles = self.tiles_of(bags)
        shares = self.shares(tiles, bags)
        return sum_by_case(tiles * shares[:, None], bags), tiles, shares

    def loss(self, bags: Bags, head: nn.Linear, labels: Int64[Tensor, " case"], losses: Losses) -> Float[Tensor, ""]:
        """The mean loss a case; where learning is tile-wise, a case's is the mean of its tiles'."""
        if not self.is_tile_wise:
            return losses(self.pool(bags, head)[1], labels).mean()
        embedded = self.tiles_of(bags)
        each = losses(head(embedded), labels[bags.case])
        return (each * self.shares(embedded, bags)).sum() / bags.n_cases

    @torch.no_grad()
    def contributions(
        self, tiles: Float[Tensor, "tile feature"], head: nn.Linear, label: int
    ) -> Float[Tensor, " tile"]:
        """What each tile of one case adds to the case's output for a class; `contribution_of` says to which."""
        _, embedded, shares = self.embedded(Bags.of(tiles, [len(tiles)]))
        return self.parts(embedded, shares, head, label)


def pooling_named(name: str) -> type[TileEncoder]:
    """The encoder of this pooling; settings have held the name against the files that there are.

    Raises:
        TypeError: the file lacks it.
    """
    found = getattr(importlib.import_module(f"{poolings.__name__}.{name}"), "Encoder", None)
    if not (isinstance(found, type) and issubclass(found, TileEncoder)):
        raise TypeError(f"modalities/wsi_image/poolings/{name}.py: must define Encoder, derived from TileEncoder")
    return found


def sum_by_case(values: Float[Tensor, "tile value"], bags: Bags) -> Float[Tensor, "case value"]:
    """Over a case's tiles."""
    return values.new_zeros(bags.n_cases, values.shape[1]).index_add(0, bags.case, values)
