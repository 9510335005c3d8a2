"""The temperature of the fused model: its logits divided by one number, so that a confidence is how often it is right.

One number for all cases with two modalities or more; a case with one keeps that branch's own output. It is chosen from
a grid by the cross-entropy of training cases that the branches never saw; the loss at every temperature is a sum over
cases, so sites send sums and one exchange finds what pooled cases would. Source: Guo et al. 2017, arXiv:1706.04599.
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from modalities.core.fusion.head import Head, fuse
from modalities.core.fusion.outputs import Outputs

TEMPERATURE, THRESHOLDS = "temperature", "thresholds"
GRID = np.exp(np.arange(-80, 81) / 80 * np.log(5.0))
"""From a fifth to five in steps of 2 %; the middle one is 1."""
PRIOR = 1.0
"""Weight of log(T)^2, which draws T towards 1 where cases are few."""
Calibration = Mapping[str, np.ndarray]
"""`temperature`, one number, and `thresholds`, one a class (see `conformal`); empty where nothing was held out."""


def losses_of(
    head: Head, parameters: Mapping[str, Tensor], outputs: Outputs, labels: Int64[Tensor, " case"]
) -> tuple[Float[np.ndarray, " temperature"], int]:
    """Cross-entropy at every temperature, summed over the cases with two modalities or more, and their number."""
    fusible = outputs.n_present > 1
    if not fusible.any():
        return np.zeros(len(GRID)), 0
    logits = fuse(head, parameters, outputs.rows(fusible))
    each = (logits / torch.from_numpy(GRID)[:, None, None]).log_softmax(dim=2)
    own = each[:, torch.arange(len(logits)), labels[fusible]]
    return -own.sum(dim=1).numpy(), int(fusible.sum())


def temperature_of(losses: Float[np.ndarray, " temperature"]) -> float:
    """The T of the grid with the least loss plus PRIOR * log(T)^2."""
    return float(GRID[(losses + PRIOR * np.square(np.log(GRID))).argmin()])


def case_temperatures(calibration: Calibration, outputs: Outputs) -> Float[Tensor, " case"]:
    """What each case's fused logits are divided by: 1 for a case with one modality."""
    found = float(calibration[TEMPERATURE][0]) if TEMPERATURE in calibration else 1.0
    return torch.where(outputs.n_present > 1, found, 1.0).to(torch.float64)


def calibrated(
    head: Head, parameters: Mapping[str, Tensor], calibration: Calibration, outputs: Outputs
) -> Float[Tensor, "case class"]:
    """Fused probabilities; NaN for a case with no modality."""
    return (fuse(head, parameters, outputs) / case_temperatures(calibration, outputs)[:, None]).softmax(dim=1)
