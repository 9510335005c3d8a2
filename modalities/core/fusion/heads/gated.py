"""Gated logits: how much each modality counts is computed case by case from its embedding.

z = s_k * sum over present m of g_m o_m + b, where k modalities are present and g is the softmax over them of
v_m . e_m + a_m. With v = 0 and a = 0 that is the mean of logits; v is shrunk to 0.
Source of the idea: the gated multimodal unit, Arevalo et al. 2017, arXiv:1702.01992; here on frozen branches.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core.fusion.head import Parameters
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.settings import Fusion

OPTIMISER = "lbfgs"


def initial(embedding_sizes: Mapping[str, int], n_classes: int, settings: Fusion, seed: int) -> Parameters:
    """The mean of logits: v = 0, a = 0, b = 0, s = 1."""
    gates = {f"{name}.v": torch.zeros(size, dtype=torch.float64) for name, size in embedding_sizes.items()}
    offsets = {f"{name}.a": torch.zeros(1, dtype=torch.float64) for name in embedding_sizes}
    bias, scale = torch.zeros(n_classes, dtype=torch.float64), torch.ones(len(embedding_sizes) + 1, dtype=torch.float64)
    return {**gates, **offsets, "shared.b": bias, "shared.s": scale}


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    names, held = outputs.modalities, torch.stack(list(outputs.present.values()), dim=1)
    scores = [outputs.embeddings[name] @ parameters[f"{name}.v"] + parameters[f"{name}.a"] for name in names]
    # A finite floor: the softmax of nothing but -inf is NaN, and so would its gradient be.
    gates = torch.where(held, torch.stack(scores, dim=1), torch.finfo(torch.float64).min).softmax(dim=1) * held
    mixed = (gates[:, :, None] * torch.stack([outputs.logits[name] for name in names], dim=1)).sum(dim=1)
    return parameters["shared.s"][outputs.n_present.long()][:, None] * mixed + parameters["shared.b"]


def penalty(parameters: Mapping[str, Tensor], settings: Fusion) -> Float[Tensor, ""]:
    """weight_penalty * (sum over m of width_m * sum v_m^2 + a_m^2) + bias_penalty * (sum b^2 + sum (s - 1)^2).

    The width of an embedding stands for the size of what v_m can do to a gate, as in the residual head.
    """
    spread = [
        values.numel() * values.square().sum() for name, values in parameters.items() if name[-2:] in (".v", ".a")
    ]
    shared = parameters["shared.b"].square().sum() + (parameters["shared.s"] - 1).square().sum()
    return settings.weight_penalty * torch.stack(spread).sum() + settings.bias_penalty * shared
