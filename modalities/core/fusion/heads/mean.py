"""Mean of the branches' probabilities (SE): nothing to fit; the baseline that every head is held against.

z = log of the mean over present m of softmax(o_m). Source: arXiv 2509.03408, table of fusion methods (SE).
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core.fusion.head import NOTHING_TO_FIT, mean_over_present
from modalities.core.fusion.outputs import Outputs

OPTIMISER, initial, penalty = NOTHING_TO_FIT


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    probabilities = {name: values.softmax(dim=1) for name, values in outputs.logits.items()}
    return mean_over_present(probabilities, outputs).clamp(min=torch.finfo(torch.float64).tiny).log()
