"""The two ways to a fitted head. Both only ever ask for summed losses and gradients, wherever the cases are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from modalities.core.fusion.fit import Evaluation
from modalities.core.fusion.head import Head, Parameters
from modalities.core.fusion.settings import Fusion

_DECAY, _DECAY_OF_SQUARES, _EPSILON = 0.9, 0.999, 1e-8


def minimise(
    head: Head, start: Parameters, evaluate: Callable[[Parameters], Evaluation], settings: Fusion
) -> Parameters:
    """The parameters of least summed loss plus penalty, by L-BFGS."""
    if not start:
        return start
    names, shapes = list(start), [start[name].shape for name in start]
    splits = np.cumsum([values.numel() for values in start.values()])[:-1]

    def unflatten(flat: np.ndarray) -> Parameters:
        pieces = zip(names, shapes, np.split(flat, splits), strict=True)
        return {name: torch.from_numpy(piece.copy()).reshape(shape) for name, shape, piece in pieces}

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = unflatten(flat)
        found = evaluate(parameters)
        extra, pull = penalty_and_gradient(head, parameters, settings)
        return found.loss + extra, np.concatenate(
            [(found.gradient[name] + pull[name]).numpy().ravel() for name in names]
        )

    first = np.concatenate([values.numpy().ravel() for values in start.values()])
    found = minimize(objective, first, jac=True, method="L-BFGS-B", options={"maxfun": settings.rounds})
    return unflatten(found.x)


@dataclass
class Moments:
    """Where Adam stands: the parameters, and the running means of their gradients and of the squares of those."""

    parameters: Parameters
    first: Parameters = field(default_factory=dict)
    second: Parameters = field(default_factory=dict)
    steps: int = 0

    def step(self, gradient: Parameters, lr: float) -> None:
        """One step down.

        Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.
        """
        self.steps += 1
        for name, slope in gradient.items():
            first, second = (
                self.first.get(name, torch.zeros_like(slope)),
                self.second.get(name, torch.zeros_like(slope)),
            )
            self.first[name] = _DECAY * first + (1 - _DECAY) * slope
            self.second[name] = _DECAY_OF_SQUARES * second + (1 - _DECAY_OF_SQUARES) * slope.square()
            mean = self.first[name] / (1 - _DECAY**self.steps)
            size = (self.second[name] / (1 - _DECAY_OF_SQUARES**self.steps)).sqrt()
            self.parameters[name] = self.parameters[name] - lr * mean / (size + _EPSILON)


def penalty_and_gradient(head: Head, parameters: Mapping[str, Tensor], settings: Fusion) -> tuple[float, Parameters]:
    """What the head adds once to the summed loss."""
    leaves = {name: values.clone().requires_grad_() for name, values in parameters.items()}
    value = head.penalty(leaves, settings)
    found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    zeros = (torch.zeros_like(values) for values in leaves.values())
    return float(value.detach()), {
        name: zero if part is None else part for name, zero, part in zip(leaves, zeros, found, strict=True)
    }
