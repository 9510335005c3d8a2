"""Residual heads on the frozen embeddings: additive per modality, and the mean of logits until fitted.

z = s_k * sum over present m of (o_m + D_m e_m) / k + b, where k modalities are present and D_m is shrunk to 0.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core.fusion.head import Parameters, mean_over_present
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.settings import Fusion

OPTIMISER = "lbfgs"


def initial(embedding_sizes: Mapping[str, int], n_classes: int, settings: Fusion, seed: int) -> Parameters:
    """The mean of logits: D = 0, b = 0, s = 1."""
    residuals = {
        f"{name}.D": torch.zeros(n_classes, size, dtype=torch.float64) for name, size in embedding_sizes.items()
    }
    bias = torch.zeros(n_classes, dtype=torch.float64)
    return {**residuals, "shared.b": bias, "shared.s": torch.ones(len(embedding_sizes) + 1, dtype=torch.float64)}


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    terms = {
        name: outputs.logits[name] + outputs.embeddings[name] @ parameters[f"{name}.D"].T for name in outputs.modalities
    }
    scale = parameters["shared.s"][outputs.n_present.long()]
    return scale[:, None] * mean_over_present(terms, outputs) + parameters["shared.b"]


def penalty(parameters: Mapping[str, Tensor], settings: Fusion) -> Float[Tensor, ""]:
    """weight_penalty * (sum over m of width_m * sum D_m^2) + bias_penalty * (sum b^2 + sum (s - 1)^2).

    The width of an embedding stands for the size of what D_m can do to a logit, so that one penalty suits all.
    """
    spread = [values.shape[1] * values.square().sum() for name, values in parameters.items() if name.endswith(".D")]
    shared = parameters["shared.b"].square().sum() + (parameters["shared.s"] - 1).square().sum()
    return settings.weight_penalty * torch.stack(spread).sum() + settings.bias_penalty * shared
