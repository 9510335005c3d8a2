"""The most confident branch alone (MP): nothing to fit.

z = log softmax(o_m) of the present modality m whose largest probability is the largest; of equals, the first.
Source: arXiv 2509.03408, table of fusion methods (MP).
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core.fusion.head import NOTHING_TO_FIT
from modalities.core.fusion.outputs import Outputs

OPTIMISER, initial, penalty = NOTHING_TO_FIT


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    each = torch.stack([values.log_softmax(dim=1) for values in outputs.logits.values()], dim=1)
    held = torch.stack(list(outputs.present.values()), dim=1)
    sure = torch.where(held, each.amax(dim=2), -torch.inf).argmax(dim=1)
    return each[torch.arange(outputs.n_cases, device=sure.device), sure]
