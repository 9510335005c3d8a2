"""Weighted ensemble (WE): one learned weight a modality, on the probabilities.

p = sum over present m of w_m softmax(o_m) / sum over present m of w_m, with w_m = exp(a_m) > 0; z = log p. So the
weights are a point of the simplex, whatever a case lacks. Source: arXiv 2509.03408, table of fusion methods (WE).
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
    """The mean of probabilities: a = 0."""
    return {f"{name}.a": torch.zeros(1, dtype=torch.float64) for name in embedding_sizes}


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    weights = {name: parameters[f"{name}.a"].exp() for name in outputs.modalities}
    each = {name: weights[name] * values.softmax(dim=1) for name, values in outputs.logits.items()}
    ones = {name: weights[name].expand(outputs.n_cases, 1) for name in outputs.modalities}
    total = mean_over_present(ones, outputs)
    mixed = mean_over_present(each, outputs) / torch.where(total > 0, total, 1.0)
    return mixed.clamp(min=torch.finfo(torch.float64).tiny).log()


def penalty(parameters: Mapping[str, Tensor], settings: Fusion) -> Float[Tensor, ""]:
    """weight_penalty * sum a^2: it also settles the common factor that all weights may share."""
    return settings.weight_penalty * torch.stack([values.square().sum() for values in parameters.values()]).sum()
