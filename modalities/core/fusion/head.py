"""The contract of a fusion head, how one is found by name, and the rule that all of them obey."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core import fusion
from modalities.core.federation import Fusion
from modalities.core.fusion.outputs import Outputs

Parameters = dict[str, Tensor]
"""float64 tensors named `<modality>.<name>` or `shared.<name>`; a site holds those of its modalities and the shared."""


@runtime_checkable
class Head(Protocol):
    """What a file of this folder defines."""

    def initial(self, embedding_sizes: Mapping[str, int], n_classes: int) -> Parameters:
        """Parameters before any fit; a head without any gives an empty dict and is never fitted."""
        ...

    def logits(self, parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
        """Fused logits of cases with two modalities or more; the caller handles the others."""
        ...

    def penalty(self, parameters: Mapping[str, Tensor], settings: Fusion) -> Float[Tensor, ""]:
        """What is added once to the loss summed over all cases."""
        ...


@cache
def heads() -> dict[str, Head]:
    """Every head by name: the modules of this folder that fulfil the contract."""
    found = {}
    for module in pkgutil.iter_modules(fusion.__path__):
        loaded = importlib.import_module(f"modalities.core.fusion.{module.name}")
        if isinstance(loaded, Head):
            found[module.name] = loaded
    return found


def head_named(name: str) -> Head:
    """The head of this name, looked up among those found.

    Raises:
        ValueError: there is none.
    """
    if name not in heads():
        raise ValueError(f"no fusion head {name!r}; known heads: {', '.join(sorted(heads()))}")
    return heads()[name]


def fuse(head: Head, parameters: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    """Fused logits; a case with one modality gets that branch's own logits, one with none gets NaN."""
    n_present = outputs.n_present
    single = sum((outputs.logits[name] * held[:, None] for name, held in outputs.present.items()), torch.tensor(0.0))
    fused = torch.where((n_present > 1)[:, None], head.logits(parameters, outputs), torch.as_tensor(single))
    return torch.where((n_present > 0)[:, None], fused, torch.nan)


def mean_over_present(terms: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case class"]:
    """The mean of a per-modality term over the modalities that each case has; 0 for a case with none."""
    total = sum((terms[name] * held[:, None] for name, held in outputs.present.items()), torch.tensor(0.0))
    return torch.as_tensor(total) / outputs.n_present.clamp(min=1)[:, None]
