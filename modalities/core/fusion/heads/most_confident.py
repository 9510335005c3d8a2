"""The most confident branch alone (MP): nothing to fit.

z = log softmax(o_m) of the present modality m whose largest probability is the largest; of equals, the first.
Source: arXiv 2509.03408, table of fusion methods (MP).
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
    """No parameters."""
    return {}


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    """The formula above."""
    each = torch.stack([values.log_softmax(dim=1) for values in outputs.logits.values()], dim=1)
    held = torch.stack(list(outputs.present.values()), dim=1)
    sure = torch.where(held, each.amax(dim=2), -torch.inf).argmax(dim=1)
    return each[torch.arange(outputs.n_cases), sure]


def penalty(parameters: Mapping[str, Tensor], settings: Fusion) -> Float[Tensor, ""]:
    """Nothing."""
    return torch.zeros((), dtype=torch.float64)
