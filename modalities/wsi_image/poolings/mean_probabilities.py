"""Trained on tiles; the logits are the logarithm of the tiles' mean probability.

Source: arXiv 2509.03408.
"""

from jaxtyping import Float
from torch import Tensor, nn

from modalities.wsi_image.network import Bags, TileEncoder, sum_by_case


class Encoder(TileEncoder):
    """The mean of what the tiles say, each with the same weight."""

    is_tile_wise = True
    contribution_of = "the probability"

    def pool(self, bags: Bags, head: nn.Module) -> tuple[Float[Tensor, "case embedding"], Float[Tensor, "case class"]]:
        """Logits are the log of the mean of the softmax."""
        embedding, embedded, shares = self.embedded(bags)
        return embedding, sum_by_case(head(embedded).softmax(dim=1) * shares[:, None], bags).clamp_min(1e-12).log()

    def parts(
        self, embedded: Float[Tensor, "tile embedding"], shares: Float[Tensor, " tile"], head: nn.Linear, label: int
    ) -> Float[Tensor, " tile"]:
        """A tile's share of the class's mean probability."""
        return head(embedded).softmax(dim=1)[:, label] * shares
