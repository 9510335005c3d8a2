"""Mean of the branches' logits, a product of experts: nothing to fit; where the shrunk heads begin.

z = sum over present m of o_m / k, where k modalities are present.
"""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from modalities.core.fusion.head import NOTHING_TO_FIT, mean_over_present
from modalities.core.fusion.outputs import Outputs

OPTIMISER, initial, penalty = NOTHING_TO_FIT


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    return mean_over_present(outputs.logits, outputs)
