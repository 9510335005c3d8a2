"""Weighted logits with bias (WLB), shrunk towards the plain mean of logits.

z_c = s_k * sum over present m of (1 + d_mc) o_mc / k + b_c, where k modalities are present. s_k undoes that a mean of
k logits is less sure than its parts warrant. Source of the unshrunk form: arXiv 2509.03408.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core.fusion.head import Parameters
from modalities.core.fusion.heads import weighted_logits
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.settings import Fusion

OPTIMISER = "lbfgs"


def initial(embedding_sizes: Mapping[str, int], n_classes: int, settings: Fusion, seed: int) -> Parameters:
    """The mean of logits: d = 0, b = 0, s = 1."""
    without = weighted_logits.initial(embedding_sizes, n_classes, settings, seed)
    return {**without, "shared.b": torch.zeros(n_classes, dtype=torch.float64)}


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    return weighted_logits.logits(parameters, outputs) + parameters["shared.b"]


def penalty(parameters: Mapping[str, Tensor], settings: Fusion) -> Float[Tensor, ""]:
    """weight_penalty * sum d^2 + bias_penalty * (sum b^2 + sum (s - 1)^2)."""
    without = weighted_logits.penalty(parameters, settings)
    return without + settings.bias_penalty * parameters["shared.b"].square().sum()
