"""What some cases say of a head: its loss, the gradient, and the loss on a fold held out.

One site's cases, or all of them pooled, give a sum; sums add up over sites, so a federation reaches the very optimum
that pooled cases would.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from modalities.core.device import computing, device_for, moved
from modalities.core.fields import CPU
from modalities.core.fusion.head import Head, Parameters, fuse, head_named
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.settings import Fusion


@dataclass(frozen=True)
class Question:
    """What is asked in one round of a head's fit, besides the parameters."""

    head: str
    held_out: int = 0
    """The fold that teaches nothing and is scored; 0: there is none."""
    shown: tuple[str, ...] = ()
    """The modalities shown this round; empty: all, in expectation over modality dropout."""


class Evaluation(NamedTuple):
    """The answer, summed over cases."""

    loss: float
    gradient: Parameters
    """By parameter; one that is not in it stays as it is."""
    held_out: float = 0.0
    """Loss on the fold held out, of cases as they are: no modality dropout."""
    n_held_out: int = 0


@dataclass(frozen=True)
class Evidence:
    """Out-of-fold outputs of some cases, with their labels and the folds of the head's own cross-fit."""

    outputs: Outputs
    labels: Int64[Tensor, " case"]
    folds: Int64[Tensor, " case"]
    device: str = CPU
    """Where it is asked for to compute, as in `resources.device` of site.yaml; questions and answers are on the CPU."""

    def answer(
        self, question: Question, parameters: Parameters, weights: Float[Tensor, " class"], dropout: float
    ) -> Evaluation:
        """Loss and gradient over the cases that teach, and the loss over those held out."""
        n_parameters = sum(values.numel() for values in parameters.values())
        device = device_for(self.device, lambda: n_parameters * len(self.labels))
        with computing(device):
            here = moved(self, device)
            return moved(here._answer(question, *moved((parameters, weights), device), dropout), CPU)

    def _answer(self, question: Question, parameters: Parameters, weights: Tensor, dropout: float) -> Evaluation:
        head = head_named(question.head)
        teaches = self.folds != question.held_out
        loss, gradient = loss_and_gradient(
            head, parameters, self.outputs.rows(teaches), self.labels[teaches], weights, dropout, question.shown
        )
        scored = ~teaches & (self.outputs.n_present > 1)
        with torch.no_grad():
            held_out = _loss(head, parameters, self.outputs.rows(scored), self.labels[scored], weights)
        return Evaluation(loss, gradient, float(held_out), int(scored.sum()))


def head_folds(folds: Int[np.ndarray, " case"], fusion: Fusion) -> Int64[Tensor, " case"]:
    """The folds of the head's own cross-fit: those of the branches, or, where one part is held out, every n-th case."""
    own = folds if fusion.fit == "crossfit" else 1 + np.arange(len(folds)) % fusion.folds
    return torch.tensor(own, dtype=torch.int64)


def class_weights(counts: Float[np.ndarray, " class"], exponent: float) -> Float[Tensor, " class"]:
    """(N / n_c)^exponent, scaled to a mean of 1 over the cases; a class nobody has weighs like the rarest."""
    known = np.where(counts > 0, counts, counts[counts > 0].min() if (counts > 0).any() else 1.0)
    weights = (known.sum() / known) ** exponent
    return torch.from_numpy(weights * known.sum() / (weights * known).sum())


def subsets_of(modalities: Sequence[str], dropout: float) -> list[tuple[list[str], float]]:
    """Every subset that modality dropout can leave, with its chance; never the empty one."""
    chances = [
        (list(kept), (1 - dropout) ** size * dropout ** (len(modalities) - size))
        for size in range(1, len(modalities) + 1)
        for kept in combinations(modalities, size)
    ]
    return [(kept, chance) for kept, chance in chances if chance > 0]


def loss_and_gradient(
    head: Head,
    parameters: Parameters,
    outputs: Outputs,
    labels: Int64[Tensor, " case"],
    weights: Float[Tensor, " class"],
    dropout: float,
    shown: Sequence[str] = (),
) -> tuple[float, Parameters]:
    """Class-weighted cross-entropy summed over the cases, and its gradient.

    In expectation over modality dropout, or, where `shown` names modalities, with those alone.
    """

    def loss(parameters: Parameters) -> Tensor:
        total = torch.zeros((), dtype=torch.float64, device=labels.device)
        for kept, chance in [(list(shown), 1.0)] if shown else subsets_of(outputs.modalities, dropout):
            hidden = outputs.only(kept)
            fusible = hidden.n_present > 1
            if fusible.any():
                total = total + chance * _loss(head, parameters, hidden.rows(fusible), labels[fusible], weights)
        return total

    return value_and_gradient(loss, parameters)


def value_and_gradient(function: Callable[[Parameters], Tensor], parameters: Parameters) -> tuple[float, Parameters]:
    """The function's value, and its gradient by parameter: 0 for those that it does not depend on."""
    if not parameters:
        return float(function(parameters)), {}
    gradient, value = torch.func.grad_and_value(function)(parameters)
    return float(value), gradient


def _loss(
    head: Head, parameters: Parameters, outputs: Outputs, labels: Int64[Tensor, " case"], weights: Tensor
) -> Float[Tensor, ""]:
    logits = fuse(head, parameters, outputs)
    return torch.nn.functional.cross_entropy(logits, labels, weight=weights, reduction="sum")
