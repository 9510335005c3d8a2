"""Meta-learner (ML): multinomial logistic regression on the branches' log-probabilities.

z = sum over present m of (W_m log softmax(o_m) + f_m) + b: a modality that a case lacks adds 0, and f_m is the weight
of the flag that it is there. Before any fit W is the identity, the product of the branches' probabilities.
Source: Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1; arXiv 2509.03408, table of fusion methods (ML).
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core.fusion.head import Parameters, sum_over_present
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.settings import Fusion

OPTIMISER = "lbfgs"


def initial(embedding_sizes: Mapping[str, int], n_classes: int, settings: Fusion, seed: int) -> Parameters:
    """The product of probabilities: W = 1, f = 0, b = 0."""
    weights = {f"{name}.W": torch.eye(n_classes, dtype=torch.float64) for name in embedding_sizes}
    flags = {f"{name}.f": torch.zeros(n_classes, dtype=torch.float64) for name in embedding_sizes}
    return {**weights, **flags, "shared.b": torch.zeros(n_classes, dtype=torch.float64)}


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    terms = {
        name: values.log_softmax(dim=1) @ parameters[f"{name}.W"].T + parameters[f"{name}.f"]
        for name, values in outputs.logits.items()
    }
    return sum_over_present(terms, outputs) + parameters["shared.b"]


def penalty(parameters: Mapping[str, Tensor], settings: Fusion) -> Float[Tensor, ""]:
    """weight_penalty * sum W^2 + bias_penalty * (sum f^2 + sum b^2): the usual ridge, towards 0."""
    size_of = {name: values.square().sum() for name, values in parameters.items()}
    weights = torch.stack([size for name, size in size_of.items() if name.endswith(".W")]).sum()
    others = torch.stack([size for name, size in size_of.items() if not name.endswith(".W")]).sum()
    return settings.weight_penalty * weights + settings.bias_penalty * others
