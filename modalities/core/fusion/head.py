"""The contract of a fusion head, how one is found by name, and the rule that all of them obey."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core.added import HEAD, add, added
from modalities.core.fusion import heads as folder
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.settings import Fusion
from modalities.core.seeds import seed_of

Parameters = dict[str, Tensor]
"""Tensors named `<modality>.<name>` or `shared.<name>`; a site holds those of its modalities and the shared.

float64 where L-BFGS fits them; the networks that Adam fits have float32.
"""


@runtime_checkable
class Head(Protocol):
    """What a file of the folder `heads` defines."""

    OPTIMISER: str
    """`lbfgs` for a smooth loss of few parameters; `adam` for a network, which also stops early."""

    def initial(self, embedding_sizes: Mapping[str, int], n_classes: int, settings: Fusion, seed: int) -> Parameters:
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
    """Every head by name: the files of the folder `heads`, and those that were registered.

    Raises:
        TypeError: a file there lacks part of the contract; it is an error, never skipped.
    """
    found = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(folder.__path__)):
        loaded = importlib.import_module(f"{folder.__name__}.{name}")
        found[name] = _checked(loaded, f"modalities/core/fusion/heads/{name}.py")
    return {**found, **added(HEAD)}


def register_head(name: str, head: object) -> None:
    """Let settings name a fusion head of your own, in this process; anything with the contract's four names will do.

    A study whose sites run elsewhere needs it as a file (docs/adding-a-fusion-head.md).

    Raises:
        ValueError: the name is none, or that of a file.
        TypeError: it lacks part of the contract.
    """
    add(HEAD, name, _checked(head, f"fusion head {name!r}"), heads())
    heads.cache_clear()


def _checked(loaded: object, where: str) -> Head:
    if not isinstance(loaded, Head):
        lacking = [part for part in ("OPTIMISER", "initial", "logits", "penalty") if not hasattr(loaded, part)]
        raise TypeError(f"{where}: must define {', '.join(lacking)} (see docs/adding-a-fusion-head.md)")
    return loaded


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
    single = sum_over_present(outputs.logits, outputs)
    fused = torch.where((n_present > 1)[:, None], head.logits(parameters, outputs), single)
    return torch.where((n_present > 0)[:, None], fused, torch.nan)


def sum_over_present(terms: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case _"]:
    """The sum of a per-modality term over the modalities that each case has; 0 for a case with none."""
    return torch.stack([torch.where(held[:, None], terms[name], 0.0) for name, held in outputs.present.items()]).sum(0)


def mean_over_present(terms: Mapping[str, Tensor], outputs: Outputs) -> Float[Tensor, "case _"]:
    """The mean of a per-modality term over the modalities that each case has; 0 for a case with none."""
    return sum_over_present(terms, outputs) / outputs.n_present.clamp(min=1)[:, None]


def _no_parameters(embedding_sizes: Mapping[str, int], n_classes: int, settings: Fusion, seed: int) -> Parameters:
    return {}


def _no_penalty(parameters: Mapping[str, Tensor], settings: Fusion) -> Float[Tensor, ""]:
    return torch.zeros((), dtype=torch.float64)


NOTHING_TO_FIT = ("lbfgs", _no_parameters, _no_penalty)
"""OPTIMISER, initial and penalty of a head without parameters."""


def ridge_of_layers(parameters: Mapping[str, Tensor], settings: Fusion) -> Float[Tensor, ""]:
    """Of networks: bias_penalty * the sum of squares of the layers' weights; the early stop does the rest."""
    sizes = [values.square().sum() for values in parameters.values() if values.ndim > 1]
    return settings.bias_penalty * torch.stack(sizes).sum()


def lecun_normal(seed: int, name: str, n_out: int, n_in: int) -> Float[Tensor, "{n_out} {n_in}"]:
    """A layer's first weights, of variance 1 / n_in; they depend on the seed and their own name alone."""
    generator = torch.Generator().manual_seed(seed_of(seed, name))
    return torch.randn(n_out, n_in, generator=generator) * n_in**-0.5
