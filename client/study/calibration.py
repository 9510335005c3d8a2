"""The calibration phase at one site: sums over the out-of-fold outputs that it kept; no case's own value leaves."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from client.study.fusion import flat_parameters, outputs_of
from client.study.session import ClientStudy
from modalities.core.blocks.branch import Weights
from modalities.core.fusion.head import Head, head_named
from modalities.core.model.calibration import GRID, TEMPERATURE, calibrated, losses_of
from modalities.core.model.conformal import score_counts
from modalities.core.site.cases import blurred


def temperature_losses(
    study: ClientStudy, head: str, kept: Mapping[str, Weights], parameters: Mapping[str, Weights]
) -> Float[np.ndarray, " temperature"]:
    """The fused model's loss at every temperature, summed over the cases with two modalities or more.

    With fewer such cases than the site's `min_cell`, zeros. `kept` is what `client.study.fusion.held_out_outputs` gave.
    """
    losses, n_cases = losses_of(_head(head, kept), flat_parameters(parameters), outputs_of(kept), _labels(study))
    return losses if n_cases >= study.min_cell else np.zeros(len(GRID))


def conformal_counts(
    study: ClientStudy, head: str, kept: Mapping[str, Weights], parameters: Mapping[str, Weights], temperature: float
) -> Float[np.ndarray, "class bin"]:
    """Histograms of 1 - p(true class) by class, blurred as the site's `min_cell` asks."""
    calibration = {TEMPERATURE: np.array([temperature])}
    probabilities = calibrated(_head(head, kept), flat_parameters(parameters), calibration, outputs_of(kept))
    counts = score_counts(probabilities.numpy(), _labels(study).numpy())
    return blurred(counts, study.min_cell)


def _head(name: str, kept: Mapping[str, Weights]) -> Head:
    """The head of this name; a site with one modality gets none of its parameters, and any head without will do."""
    return head_named(name if len(kept) > 1 else "mean")


def _labels(study: ClientStudy) -> Tensor:
    return torch.tensor(study.data.listed.labels)
