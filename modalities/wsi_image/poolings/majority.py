"""Trained on tiles, of which each votes for a class; the logits are the logarithm of the share of votes.

A vote shared out evenly is added, so that no share is 0. Source: arXiv 2509.03408.
"""

from jaxtyping import Float
from torch import Tensor, nn

from modalities.wsi_image.network import Bags, TileEncoder, sum_by_case


class Encoder(TileEncoder):
    """Each tile says one class, and counts as one."""

    is_tile_wise = True
    contribution_of = "the share of votes"

    def pool(self, bags: Bags, head: nn.Module) -> tuple[Float[Tensor, "case embedding"], Float[Tensor, "case class"]]:
        """Logits are log((votes + 1 / classes) / (tiles + 1))."""
        embedding, embedded, _ = self.embedded(bags)
        logits = head(embedded)
        n_classes = logits.shape[1]
        votes = nn.functional.one_hot(logits.argmax(dim=1), n_classes).to(logits.dtype)
        counts = sum_by_case(votes, bags)
        return embedding, ((counts + 1 / n_classes) / (counts.sum(dim=1, keepdim=True) + 1)).log()

    def parts(
        self, embedded: Float[Tensor, "tile embedding"], shares: Float[Tensor, " tile"], head: nn.Linear, label: int
    ) -> Float[Tensor, " tile"]:
        """A tile's vote, if it is for the class."""
        return (head(embedded).argmax(dim=1) == label).to(embedded.dtype) * shares
