"""Mean of the branches' logits, a product of experts: nothing to fit; where the shrunk heads begin.

z = sum over present m of o_m / k, where k modalities are present.
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
    """No parameters."""
    return {}


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    """The formula above."""
    return mean_over_present(outputs.logits, outputs)


def penalty(parameters: Mapping[str, Tensor], settings: Fusion) -> Float[Tensor, ""]:
    """Nothing."""
    return torch.zeros((), dtype=torch.float64)
