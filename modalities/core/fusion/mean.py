"""Mean of the branches' probabilities: nothing to fit; the baseline that every head is held against."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core.federation import Fusion
from modalities.core.fusion.head import Parameters, mean_over_present
from modalities.core.fusion.outputs import Outputs


def initial(embedding_sizes: Mapping[str, int], n_classes: int) -> Parameters:
    """No parameters."""
    return {}


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    """Log of the mean over the present modalities of softmax(o_m)."""
    probabilities = {name: values.softmax(dim=1) for name, values in outputs.logits.items()}
    return mean_over_present(probabilities, outputs).clamp(min=torch.finfo(torch.float64).tiny).log()


def penalty(parameters: Mapping[str, Tensor], settings: Fusion) -> Float[Tensor, ""]:
    """Nothing."""
    return torch.zeros((), dtype=torch.float64)
