"""From a bag of tile features to one embedding and the logits of a case."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from modalities.core.blocks.branch import Losses
from modalities.core.blocks.networks import SelfNormalisingNetwork

Pooling = Literal["feature_mean", "mean_logits", "mean_probabilities", "majority", "attention"]
TILE_WISE = ("mean_logits", "mean_probabilities", "majority")
"""These learn from every tile as if it carried its case's label, and pool only to predict."""


class Bags(NamedTuple):
    """The tiles of several cases, one case after the other."""

    tiles: Float[Tensor, "tile feature"]
    case: Int64[Tensor, " tile"]
    """The case of every tile, ascending."""
    n_cases: int


class TileEncoder(nn.Module):
    """A small network over every tile, and what makes one embedding and one prediction of a case's tiles.

    - `feature_mean`: the mean of the tiles' features goes through the network; trained on cases.
    - `mean_logits`: trained on tiles; the mean of the tiles' embeddings, whose logits are the mean of theirs, since the
      head is linear.
    - `mean_probabilities`, `majority`: trained on tiles; the logits are the logarithm of the mean probability, or of
      the share of tiles that vote for a class, a vote shared out evenly added.
    - `attention`: trained on cases; tiles are weighted by gated attention.

    Source: arXiv 2509.03408 for the tile-wise ones; Ilse et al. 2018, arXiv:1802.04712, for the attention.
    """

    def __init__(
        self,
        n_features: int,
        widths: Sequence[int],
        dropout: float,
        input_dropout: float,
        pooling: str,
        attention_width: int,
    ) -> None:
        """Build the layers; `attention_width` matters to `attention` alone."""
        super().__init__()
        self.tile = SelfNormalisingNetwork(n_features, widths, dropout, input_dropout)
        self.embedding_size = self.tile.embedding_size
        self.pooling = pooling
        self.is_linear = not widths
        if pooling == "attention":
            self.content = nn.Linear(self.embedding_size, attention_width)
            self.gate = nn.Linear(self.embedding_size, attention_width)
            self.score = nn.Linear(attention_width, 1)

    def forward(self, bags: Bags) -> Float[Tensor, "case embedding"]:
        """The embedding of each case."""
        embedded = self.tile(bags.tiles)
        return _sum_by_case(embedded * self._shares(embedded, bags)[:, None], bags)

    def pool(self, bags: Bags, head: nn.Module) -> tuple[Float[Tensor, "case embedding"], Float[Tensor, "case class"]]:
        """Embedding and logits of each case."""
        embedded = self.tile(bags.tiles)
        shares = self._shares(embedded, bags)[:, None]
        embedding = _sum_by_case(embedded * shares, bags)
        if self.pooling == "mean_probabilities":
            return embedding, _sum_by_case(head(embedded).softmax(dim=1) * shares, bags).clamp_min(1e-12).log()
        if self.pooling == "majority":
            return embedding, _log_share_of_votes(head(embedded), bags)
        return embedding, head(embedding)

    def loss(self, bags: Bags, head: nn.Module, labels: Int64[Tensor, " case"], losses: Losses) -> Float[Tensor, ""]:
        """The mean loss a case; where learning is tile-wise, a case's is the mean of its tiles'."""
        if self.pooling not in TILE_WISE:
            return losses(self.pool(bags, head)[1], labels).mean()
        embedded = self.tile(bags.tiles)
        each = losses(head(embedded), labels[bags.case])
        return (each * self._shares(embedded, bags)).sum() / bags.n_cases

    @torch.no_grad()
    def contributions(
        self, tiles: Float[Tensor, "tile feature"], head: nn.Linear, label: int
    ) -> Float[Tensor, " tile"]:
        """What each tile of one case adds to the case's output for a class; `contribution_of` says to which.

        A sum over tiles is taken apart exactly. The mean of features before a network that is not linear is no such
        sum: there it is what the output loses without the tile.
        """
        bag = Bags(tiles, torch.zeros(len(tiles), dtype=torch.int64), 1)
        if self.pooling == "feature_mean" and not self.is_linear:
            return self._without_each(tiles, head, label)
        embedded = self.tile(tiles)
        shares = self._shares(embedded, bag)
        if self.pooling == "mean_probabilities":
            return head(embedded).softmax(dim=1)[:, label] * shares
        if self.pooling == "majority":
            return (head(embedded).argmax(dim=1) == label).to(tiles.dtype) * shares
        return embedded @ head.weight[label] * shares

    @property
    def contribution_of(self) -> str:
        """What the contributions of a case's tiles add up to."""
        if self.pooling == "feature_mean" and not self.is_linear:
            return "nothing exactly: each is what the logit loses without the tile"
        return {"mean_probabilities": "the probability", "majority": "the share of votes"}.get(
            self.pooling, "the logit without its bias"
        )

    def _without_each(self, tiles: Tensor, head: nn.Linear, label: int) -> Tensor:
        """The logit less that of all other tiles; of a single tile, less the bias."""
        whole = head(self.tile(tiles.mean(dim=0, keepdim=True)))[:, label]
        if len(tiles) == 1:
            return whole - head.bias[label]
        others = (tiles.sum(dim=0) - tiles) / (len(tiles) - 1)
        return whole - head(self.tile(others))[:, label]

    def _shares(self, embedded: Float[Tensor, "tile embedding"], bags: Bags) -> Float[Tensor, " tile"]:
        """What each tile weighs in its case; adds up to 1 over a case's tiles."""
        if self.pooling == "attention":
            scores = self.score(self.content(embedded).tanh() * self.gate(embedded).sigmoid())[:, 0]
            return _softmax_by_case(scores, bags)
        n_tiles = torch.bincount(bags.case, minlength=bags.n_cases)
        return (1 / n_tiles[bags.case]).to(embedded.dtype)


def _sum_by_case(values: Float[Tensor, "tile value"], bags: Bags) -> Float[Tensor, "case value"]:
    return values.new_zeros(bags.n_cases, values.shape[1]).index_add(0, bags.case, values)


def _softmax_by_case(scores: Float[Tensor, " tile"], bags: Bags) -> Float[Tensor, " tile"]:
    highest = scores.new_full((bags.n_cases,), -torch.inf)
    highest = highest.scatter_reduce(0, bags.case, scores.detach(), "amax")
    raised = (scores - highest[bags.case]).exp()
    return raised / raised.new_zeros(bags.n_cases).index_add(0, bags.case, raised)[bags.case]


def _log_share_of_votes(logits: Float[Tensor, "tile class"], bags: Bags) -> Float[Tensor, "case class"]:
    """log((votes + 1 / classes) / (tiles + 1))."""
    n_classes = logits.shape[1]
    votes = nn.functional.one_hot(logits.argmax(dim=1), n_classes).to(logits.dtype)
    counts = _sum_by_case(votes, bags)
    return ((counts + 1 / n_classes) / (counts.sum(dim=1, keepdim=True) + 1)).log()
