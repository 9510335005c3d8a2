"""Trained on cases; for each class the tiles weigh by how like they are to the one that says it loudest.

Half of a logit is that tile's own, half that of the weighted tiles. For cases of which few tiles tell the class.
Source: Li et al. 2021, arXiv:2011.08939 (DSMIL); here the branch's own head scores tiles and cases, and learns from the
logit as it predicts, not from its halves.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import one_hot

from modalities.wsi_image.config import Config
from modalities.wsi_image.network import Bags, TileEncoder


class Encoder(TileEncoder):
    """A tile weighs something else in each class."""

    def __init__(self, n_features: int, config: Config) -> None:
        """Tiles are compared in `attention_width` units."""
        super().__init__(n_features, config)
        self.query = nn.Linear(self.embedding_size, config.attention_width)

    def pool(self, bags: Bags, head: nn.Linear) -> tuple[Float[Tensor, "case embedding"], Float[Tensor, "case class"]]:
        """A case is an embedding a class; the others see their mean."""
        cases = self.tiles_of(bags).split(bags.sizes)
        each = torch.stack([self._weights(case, head).T @ case for case in cases])
        return each.mean(dim=1), (each * head.weight).sum(dim=2) + head.bias

    @torch.no_grad()
    def contributions(
        self, tiles: Float[Tensor, "tile feature"], head: nn.Linear, label: int
    ) -> Float[Tensor, " tile"]:
        """A tile's share of the class's logit."""
        embedded = self.tile(tiles)
        return self._weights(embedded, head)[:, label] * (embedded @ head.weight[label])

    def _weights(self, case: Float[Tensor, "tile embedding"], head: nn.Linear) -> Float[Tensor, "tile class"]:
        """What each tile of a case weighs in each class; adds up to 1 over tiles."""
        query, loudest = self.query(case).tanh(), head(case).argmax(dim=0)
        alike = (query @ query[loudest].T / query.shape[1] ** 0.5).softmax(dim=0)
        return (alike + one_hot(loudest, len(case)).T) / 2
