"""Weighted logits (WL), shrunk towards the plain mean of logits: WLB without its bias.

z_c = s_k * sum over present m of (1 + d_mc) o_mc / k, where k modalities are present.
Source of the unshrunk form: arXiv 2509.03408 (WL).
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
    """The mean of logits: d = 0, s = 1."""
    weights = {f"{name}.d": torch.zeros(n_classes, dtype=torch.float64) for name in embedding_sizes}
    return {**weights, "shared.s": torch.ones(len(embedding_sizes) + 1, dtype=torch.float64)}


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    terms = {name: (1 + parameters[f"{name}.d"]) * outputs.logits[name] for name in outputs.modalities}
    return parameters["shared.s"][outputs.n_present.long()][:, None] * mean_over_present(terms, outputs)


def penalty(parameters: Mapping[str, Tensor], settings: Fusion) -> Float[Tensor, ""]:
    """weight_penalty * sum d^2 + bias_penalty * sum (s - 1)^2."""
    spread = [values.square().sum() for name, values in parameters.items() if name.endswith(".d")]
    scale = (parameters["shared.s"] - 1).square().sum()
    return settings.weight_penalty * torch.stack(spread).sum() + settings.bias_penalty * scale
