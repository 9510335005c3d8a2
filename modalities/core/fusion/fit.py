"""Fits a head: the loss and gradient of some cases, and the search that asks for them.

One site's cases, or all of them pooled, give a sum; sums add up over sites, so a federation reaches the very optimum
that pooled cases would.
"""

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.optimize import minimize
from torch import Tensor

from modalities.core.federation import Fusion
from modalities.core.fusion.head import Head, Parameters, fuse
from modalities.core.fusion.outputs import Outputs

Evaluate = Callable[[Parameters], tuple[float, Parameters]]


def class_weights(counts: Float[np.ndarray, " class"], exponent: float) -> Float[Tensor, " class"]:
    """(N / n_c)^exponent, scaled to a mean of 1 over the cases; a class nobody has weighs like the rarest."""
    known = np.where(counts > 0, counts, counts[counts > 0].min() if (counts > 0).any() else 1.0)
    weights = (known.sum() / known) ** exponent
    return torch.from_numpy(weights * known.sum() / (weights * known).sum())


def subsets_of(modalities: list[str], dropout: float) -> list[tuple[list[str], float]]:
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
) -> tuple[float, Parameters]:
    """Class-weighted cross-entropy summed over the cases, in expectation over modality dropout, and its gradient."""
    leaves = {name: values.clone().requires_grad_() for name, values in parameters.items()}
    total = torch.zeros((), dtype=torch.float64)
    for kept, chance in subsets_of(outputs.modalities, dropout):
        shown = outputs.only(kept)
        fusible = shown.n_present > 1
        if fusible.any():
            logits = fuse(head, leaves, shown.rows(fusible))
            total = total + chance * torch.nn.functional.cross_entropy(
                logits, labels[fusible], weight=weights, reduction="sum"
            )
    if not total.requires_grad:
        return 0.0, {name: torch.zeros_like(values) for name, values in parameters.items()}
    names = list(leaves)
    found = torch.autograd.grad(total, [leaves[name] for name in names], allow_unused=True)
    gradient = {
        name: torch.zeros_like(leaves[name]) if part is None else part for name, part in zip(names, found, strict=True)
    }
    return float(total.detach()), gradient


def minimise(head: Head, start: Parameters, evaluate: Evaluate, settings: Fusion) -> Parameters:
    """The parameters of least summed loss plus penalty, by L-BFGS; `evaluate` gives the summed loss and gradient."""
    if not start:
        return start
    names, shapes = list(start), [start[name].shape for name in start]
    splits = np.cumsum([values.numel() for values in start.values()])[:-1]

    def unflatten(flat: np.ndarray) -> Parameters:
        pieces = zip(names, shapes, np.split(flat, splits), strict=True)
        return {name: torch.from_numpy(piece.copy()).reshape(shape) for name, shape, piece in pieces}

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = unflatten(flat)
        loss, gradient = evaluate(parameters)
        extra, extra_gradient = _penalty(head, parameters, settings)
        return loss + extra, np.concatenate([(gradient[name] + extra_gradient[name]).numpy().ravel() for name in names])

    first = np.concatenate([values.numpy().ravel() for values in start.values()])
    found = minimize(objective, first, jac=True, method="L-BFGS-B", options={"maxfun": settings.rounds})
    return unflatten(found.x)


def _penalty(head: Head, parameters: Mapping[str, Tensor], settings: Fusion) -> tuple[float, Parameters]:
    leaves = {name: values.clone().requires_grad_() for name, values in parameters.items()}
    value = head.penalty(leaves, settings)
    return float(value.detach()), dict(zip(leaves, torch.autograd.grad(value, list(leaves.values())), strict=True))
