"""What one case can change in a sum: at most a bound, whatever its values; exact on the grid that sums travel on."""

import math

import numpy as np
from jaxtyping import Float64, Int64

FRACTION_BITS = 37
"""A unit of the grid is 2^-37, as in masked sums of 64 bits."""
UNIT = 2.0**-FRACTION_BITS
_LARGEST = 2**62
_MARGIN = 1 - 2.0**-40
"""Of the bound: a norm in float64 may be too small by far less."""


def linear_norms(
    inputs: Float64[np.ndarray, "case input"], residuals: Float64[np.ndarray, "case class"]
) -> Float64[np.ndarray, " case"]:
    """Norm of each case's gradient of the cross-entropy by all weights of a linear branch: |p - y| |[x, 1]|.

    The gradient is the outer product of the residual p - y (probabilities less the true class) with the inputs and the
    1 of the bias.
    """
    return np.linalg.norm(residuals, axis=1) * np.sqrt(np.square(inputs).sum(axis=1) + 1)


def shrinkage(norms: Float64[np.ndarray, " case"], bound: float) -> Float64[np.ndarray, " case"]:
    """What each case's gradient is multiplied by so that none is longer than the bound; 1 for one that is shorter."""
    return np.minimum(1.0, bound * _MARGIN / np.maximum(norms, np.finfo(np.float64).tiny))


def in_units(values: Float64[np.ndarray, "case weight"]) -> Int64[np.ndarray, "case weight"]:
    """Whole units of the grid, rounded towards zero: no row gets longer, so the bound holds for the sum of integers."""
    return np.trunc(values / UNIT).astype(np.int64)


def bounded_units(
    gradients: Float64[np.ndarray, "case weight"], norms: Float64[np.ndarray, " case"], bound: float
) -> Int64[np.ndarray, "case weight"]:
    """Each case's gradient, no longer than the bound, in whole units; nothing of one that is not finite.

    Whoever sends weights that make gradients infinite must not be told more by them.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        short = gradients * shrinkage(norms, bound)[:, None]
    return in_units(np.where(np.isfinite(short).all(axis=1, keepdims=True), short, 0.0))


def bound_in_units(bound: float, n_cases: int) -> int:
    """The bound in units, rounded up.

    Raises:
        ValueError: a sum over so many cases could leave 64 bits.
    """
    units = math.ceil(bound / UNIT)
    if units * max(n_cases, 1) >= _LARGEST:
        raise ValueError(
            f"a step of up to {bound:g} a case over {n_cases} cases does not fit 64 bits: lower federated.lr, or "
            "privacy.clip"
        )
    return units
