"""Trained on cases; tiles are weighted by gated attention.

Source: Ilse et al. 2018, arXiv:1802.04712.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from modalities.wsi_image.config import Config
from modalities.wsi_image.network import Bags, TileEncoder


class Encoder(TileEncoder):
    """Tiles weigh what a gate and a score make of them."""

    def __init__(self, n_features: int, config: Config) -> None:
        """With a gate and a score of `attention_width` units."""
        super().__init__(n_features, config)
        self.content = nn.Linear(self.embedding_size, config.attention_width)
        self.gate = nn.Linear(self.embedding_size, config.attention_width)
        self.score = nn.Linear(config.attention_width, 1)

    def shares(self, embedded: Float[Tensor, "tile embedding"], bags: Bags) -> Float[Tensor, " tile"]:
        """a_k ~ exp(w (tanh(V h_k) * sigmoid(U h_k)))."""
        scores = self.score(self.content(embedded).tanh() * self.gate(embedded).sigmoid())[:, 0]
        return _softmax_by_case(scores, bags)


def _softmax_by_case(scores: Float[Tensor, " tile"], bags: Bags) -> Float[Tensor, " tile"]:
    highest = scores.new_full((bags.n_cases,), -torch.inf)
    highest = highest.scatter_reduce(0, bags.case, scores.detach(), "amax")
    raised = (scores - highest[bags.case]).exp()
    return raised / raised.new_zeros(bags.n_cases).index_add(0, bags.case, raised)[bags.case]
