"""Intermediate fusion (IF): the embeddings, concatenated, into a multilayer perceptron.

z = R selu(sum over present m of (W_m e_m + f_m) + c) + b. A layer on a concatenation is a sum of layers, so a modality
that a case lacks counts as zeros, f_m is the weight of the flag that it is there, and a site needs the W_m and f_m of
its own modalities only. Source: arXiv 2509.03408, table of fusion methods (IF).
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core.fusion.head import Parameters, lecun_normal, ridge_of_layers, sum_over_present
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.settings import Fusion

OPTIMISER, penalty = "adam", ridge_of_layers


def initial(embedding_sizes: Mapping[str, int], n_classes: int, settings: Fusion, seed: int) -> Parameters:
    """Random layers below a readout of zeros: all classes alike until fitted."""
    width = settings.network.width
    layers = {f"{name}.W": lecun_normal(seed, f"{name}.W", width, size) for name, size in embedding_sizes.items()}
    flags = {f"{name}.f": torch.zeros(width) for name in embedding_sizes}
    shared = {"c": torch.zeros(width), "R": torch.zeros(n_classes, width), "b": torch.zeros(n_classes)}
    return {**layers, **flags, **{f"shared.{name}": values for name, values in shared.items()}}


def logits(parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    terms = {
        name: values.to(parameters["shared.c"].dtype) @ parameters[f"{name}.W"].T + parameters[f"{name}.f"]
        for name, values in outputs.embeddings.items()
    }
    hidden = torch.nn.functional.selu(sum_over_present(terms, outputs) + parameters["shared.c"])
    return (hidden @ parameters["shared.R"].T + parameters["shared.b"]).double()
