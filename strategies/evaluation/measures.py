"""Accuracy, balanced accuracy, calibration error and losses with 95 % intervals, from a tally's sums."""

import numpy as np
from jaxtyping import Float

from strategies.evaluation.ece import debiased_ece
from strategies.evaluation.pooled import ALPHA, Z

N_DRAWS = 2000
Interval = tuple[float, float, float]
"""Value, low, high."""
_ENDS = (100 * ALPHA / 2, 100 * (1 - ALPHA / 2))


def share(right: float, n: float) -> Interval:
    """A share of cases, with Wilson's interval (1927, doi 10.1080/01621459.1927.10502953)."""
    value, spare = right / n, Z**2 / n
    middle, half = value + spare / 2, Z * float(np.sqrt(value * (1 - value) / n + spare / (4 * n)))
    return value, max((middle - half) / (1 + spare), 0.0), min((middle + half) / (1 + spare), 1.0)


def balanced(right: Float[np.ndarray, " class"], n: Float[np.ndarray, " class"], seed: int) -> Interval:
    """The mean recall of classes, each with cases; its interval from draws of each recall by Jeffreys's posterior."""
    draws = np.random.default_rng(seed).beta(right + 0.5, n - right + 0.5, (N_DRAWS, len(n))).mean(axis=1)
    value = float((right / n).mean())
    low, high = np.percentile(draws, _ENDS)
    return value, float(min(low, value)), float(max(high, value))


def mean(sums: Float[np.ndarray, "2"], n: float) -> Interval:
    """A mean over cases, from their sum and that of their squares; normal."""
    value = float(sums[0]) / n
    spread = max(float(sums[1]) / n - value**2, 0.0) * n / max(n - 1, 1)
    half = Z * float(np.sqrt(spread / n))
    return value, value - half, value + half


def ece(reliability: Float[np.ndarray, "3 bin"], seed: int) -> Interval:
    """The debiased calibration error; its interval from resampled cases, moved to have their mean at the value.

    Resamples hold more noise than the sample, and debiasing takes away only that within bins.
    """
    cases, right, confidence = reliability
    n, rng = round(cases.sum()), np.random.default_rng(seed)
    drawn = rng.multinomial(n, cases / cases.sum(), N_DRAWS).astype(np.float64)
    shares = np.divide(reliability, cases, out=np.zeros_like(reliability), where=cases > 0)
    draws = debiased_ece(
        drawn, rng.binomial(drawn.astype(int), np.clip(shares[1], 0, 1)).astype(float), drawn * shares[2]
    )
    value = float(debiased_ece(cases, right, confidence))
    low, high = np.percentile(draws - (draws.mean() - value), _ENDS)
    return max(value, 0.0), float(max(low, 0.0)), float(max(high, value, 0.0))
