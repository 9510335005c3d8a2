"""How well scores tell members from others: AUC, and the share found while few others are accused; over cases."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64

from simulations.scores.metrics import case_weights, estimate, weighted_auroc

N_DRAWS = 500
FALSE_POSITIVES = (0.01, 0.001)
CURVE = tuple(float(rate) for rate in np.logspace(-3, 0, 25))
"""False-positive rates at which the curve is kept."""
Trials = Float64[np.ndarray, "target case"]
Inside = Bool[np.ndarray, "target case"]


def measured(scores: Trials, inside: Inside, seed: int) -> dict[str, Any]:
    """AUC and true-positive rates with 95 % intervals, and the curve.

    A resample draws cases, each with all its trials: what two studies say of the same patient is not independent.
    A trial that is NaN, as of a patient without the modality, is left out.
    """
    known = np.isfinite(scores)
    case_of = np.nonzero(known)[1]
    ids, place = np.unique(case_of, return_inverse=True)
    trials, positive = scores[known], inside[known]
    weights = case_weights(len(ids), N_DRAWS, seed)[:, place]
    rates = true_positives(trials, positive, weights, FALSE_POSITIVES)
    return {
        "cases": len(ids),
        "trials": len(trials),
        "auc": estimate(weighted_auroc(trials, positive, weights)),
        "found": {f"{rate:g}": estimate(draws) for rate, draws in zip(FALSE_POSITIVES, rates, strict=True)},
        "curve": [float(each[0]) for each in true_positives(trials, positive, weights[:1], CURVE)],
    }


def true_positives(
    scores: Float64[np.ndarray, " trial"],
    positive: Bool[np.ndarray, " trial"],
    weights: Float[np.ndarray, "draw trial"],
    rates: tuple[float, ...],
) -> Float64[np.ndarray, "rate draw"]:
    """The share of members above the lowest threshold that accuses at most such a share of the others; by draw."""
    outside, inside = (np.flatnonzero(side)[np.argsort(-scores[side])] for side in (~positive, positive))
    accused = np.cumsum(weights[:, outside], axis=1)
    caught = np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weights[:, inside], axis=1)], axis=1)
    found = np.empty((len(rates), len(weights)))
    for row, rate in enumerate(rates):
        allowed = rate * accused[:, -1:] * (1 + 1e-12)
        first = (accused <= allowed).sum(axis=1)  # of the others, the first who may no longer be accused
        limits = np.append(scores[outside], -np.inf)[first]
        above = np.searchsorted(-scores[inside], -limits, side="left")
        found[row] = caught[np.arange(len(weights)), above] / np.maximum(caught[:, -1], 1)
    return found
