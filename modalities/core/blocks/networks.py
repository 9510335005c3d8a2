"""Encoders for vectors of features."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


class SelfNormalisingNetwork(nn.Module):
    """SELU layers with alpha-dropout and LeCun initialisation; with no widths, the features themselves.

    The branch adds its linear head on top, so no widths make a linear model of the features.

    Source: Klambauer et al. 2017, arXiv:1706.02515.
    """

    def __init__(self, n_features: int, widths: Sequence[int], dropout: float, input_dropout: float) -> None:
        """Build the layers; `dropout` follows every hidden layer, `input_dropout` zeroes features."""
        super().__init__()
        sizes = [n_features, *widths]
        layers: list[nn.Module] = [nn.Dropout(input_dropout)] if input_dropout else []
        for before, after in pairwise(sizes):
            layers += [_lecun_linear(before, after), nn.SELU()]
            layers += [nn.AlphaDropout(dropout)] if dropout else []
        self.layers = nn.Sequential(*layers)
        self.embedding_size = sizes[-1]

    def forward(self, features: Float[Tensor, "case feature"]) -> Float[Tensor, "case embedding"]:
        """The embedding of each case."""
        return self.layers(features)


def _lecun_linear(before: int, after: int) -> nn.Linear:
    """A linear layer whose weights have variance 1 / `before`, as self-normalisation needs."""
    layer = nn.Linear(before, after)
    with torch.no_grad():
        layer.weight.normal_(0.0, before**-0.5)
        layer.bias.zero_()
    return layer
