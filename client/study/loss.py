"""The loss of a branch: cross-entropy, which may weigh the classes and correct for a site's own mix of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from modalities.core.fusion.evidence import class_weights
from modalities.core.settings.training import Training


@dataclass(frozen=True)
class Balance:
    """What the loss makes of the classes; None leaves plain cross-entropy."""

    weights: Float[Tensor, " class"] | None = None
    """Of a case, by its class; 1 on average over the study's cases."""
    offsets: Float[Tensor, " class"] | None = None
    """Added to the logits while the branch trains, never when it predicts."""

    def losses(self, logits: Float[Tensor, "row class"], labels: Int64[Tensor, " row"]) -> Float[Tensor, " row"]:
        """weight[label] * cross-entropy(logits + offsets, label) of every row.

        The weights are not normalised within the batch, so that the steps of sites of any mix still average to the
        pooled step.
        """
        shifted = logits if self.offsets is None else logits + self.offsets
        return nn.functional.cross_entropy(shifted, labels, weight=self.weights, reduction="none")


def balance_of(training: Training, class_counts: Sequence[float], labels: Int64[Tensor, " case"]) -> Balance:
    """Class weights from the study's summed counts, and the correction for the mix of classes in `labels`.

    The correction is prior_correction * log(share of the class here / share in the study): a site's own mix then
    explains itself and need not be learned (logit adjustment, arXiv:2007.07314, FedLC, arXiv:2209.00189). With the
    study's shares in it, predictions keep the study's mix. One case of the study's mix a class is added to the local
    counts, so that a class that the site lacks has a share. Pooled cases have the study's mix: nothing to correct.
    """
    if not training.needs_class_counts:
        return Balance()
    counts = torch.tensor(list(class_counts), dtype=torch.float64)
    weights, offsets = None, None
    if training.class_weight_exponent:
        weights = class_weights(counts.numpy(), training.class_weight_exponent).float()
    if training.prior_correction:
        shares = counts.clamp(min=0.5) / counts.clamp(min=0.5).sum()
        local = torch.bincount(labels, minlength=len(counts)) + len(counts) * shares
        offsets = (training.prior_correction * (local / local.sum() / shares).log()).float()
    return Balance(weights, offsets)
