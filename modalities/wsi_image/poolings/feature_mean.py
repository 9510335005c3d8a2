"""The mean of the tiles' features goes through the network; trained on cases."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from modalities.wsi_image.config import Config
from modalities.wsi_image.network import TileEncoder


class Encoder(TileEncoder):
    """A case is its mean tile."""

    of_means = True

    def __init__(self, n_features: int, config: Config) -> None:
        """Over hidden layers a prediction is no sum over tiles."""
        super().__init__(n_features, config)
        self._is_sum = not config.hidden
        if not self._is_sum:
            self.contribution_of = "nothing exactly: each is what the logit loses without the tile"

    @torch.no_grad()
    def contributions(
        self, tiles: Float[Tensor, "tile feature"], head: nn.Linear, label: int
    ) -> Float[Tensor, " tile"]:
        """Over hidden layers the logit less that of all other tiles; of a single tile, less the bias."""
        if self._is_sum:
            return super().contributions(tiles, head, label)
        whole = head(self.tile(tiles.mean(dim=0, keepdim=True)))[:, label]
        if len(tiles) == 1:
            return whole - head.bias[label]
        others = (tiles.sum(dim=0) - tiles) / (len(tiles) - 1)
        return whole - head(self.tile(others))[:, label]
