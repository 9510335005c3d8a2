"""The AUROC of all sites' cases together, from their summed histograms, and the AUROC within sites, from summed wins.

Two cases in one bin may stand in either order, so the histograms leave the exact AUROC open by half the share of pairs
that share a bin: a bound that always holds. Variances are DeLong's on the binned scores. How much the AUROCs of two
classes vary together does not show in histograms; it is taken from the covariances within the sites.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, logit, ndtri, stdtrit

ALPHA = 0.05
"""Intervals are of 95 %."""
Z = float(ndtri(1 - ALPHA / 2))
Histograms = Float[np.ndarray, "class bin"]
ByClass = Float[np.ndarray, " class"]
Matrix = Float[np.ndarray, "class class"]


@dataclass(frozen=True)
class Pooled:
    """By class; NaN for one with fewer than two cases on either side."""

    value: ByClass
    bound: ByClass
    """How far the exact AUROC lies from the value at most."""
    variance: ByClass


def pooled_auroc(positives: Histograms, negatives: Histograms) -> Pooled:
    """One against rest."""
    n_pos, n_neg = positives.sum(axis=1, keepdims=True), negatives.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        above = (np.cumsum(negatives, axis=1) - negatives / 2) / n_neg  # of a positive in this bin
        below = 1 - (np.cumsum(positives, axis=1) - positives / 2) / n_pos  # of a negative
        value = (positives * above).sum(axis=1) / n_pos[:, 0]
        bound = (positives * negatives).sum(axis=1) / (2 * n_pos * n_neg)[:, 0]
        variance = _variance(positives, above, value, n_pos) + _variance(negatives, below, value, n_neg)
    undefined = (np.minimum(n_pos, n_neg) < 2)[:, 0]
    return Pooled(*(np.where(undefined, np.nan, own) for own in (value, bound, variance)))


def correlation(covariance: Matrix) -> Matrix:
    """Of the AUROCs of classes; 1 where it is not known, which no interval is too narrow by."""
    spread = np.sqrt(np.diag(covariance))
    scale = np.outer(spread, spread)
    known = np.divide(covariance, scale, out=np.ones_like(covariance), where=scale > 0)
    np.fill_diagonal(known, 1.0)
    return np.clip(known, -1.0, 1.0)


def macro_variance(variance: ByClass, correlated: Matrix, counted: Bool[np.ndarray, " class"]) -> float:
    """Of the mean over the classes that count."""
    spread = np.sqrt(variance[counted])
    whole = np.outer(spread, spread) * correlated[np.ix_(counted, counted)]
    return float(max(whole.sum(), 0.0) / counted.sum() ** 2)


def within_sites(
    pairs: ByClass, wins: ByClass, covariance: Matrix, counted: Bool[np.ndarray, " class"]
) -> tuple[float, float]:
    """The mean over classes of wins a pair, pairs being of two cases of one site, and its variance."""
    scale = np.outer(pairs[counted], pairs[counted])
    of_classes = covariance[np.ix_(counted, counted)] / scale
    return float((wins[counted] / pairs[counted]).mean()), float(max(of_classes.mean(), 0.0))


def auroc_interval(value: float, variance: float, n_least: float | int) -> tuple[float, float]:
    """95 % on the logit scale, by Student's t: a variance from few cases is itself uncertain.

    `n_least` is the number of cases on the smaller side. Where no pair errs there is no variance: then the other end is
    the AUROC at which so many independent pairs would all agree in ALPHA / 2 of studies.
    """
    if 0.0 < value < 1.0 and variance <= 0:  # all tied: a model that tells no two cases apart
        return value, value
    if value in (0.0, 1.0):
        agree = (ALPHA / 2) ** (1 / max(n_least, 1.0))
        return (min(value, agree), 1.0) if value >= 0.5 else (0.0, max(value, 1 - agree))
    quantile = stdtrit(max(n_least - 1, 1), 1 - ALPHA / 2)
    half = quantile * np.sqrt(variance) / (value * (1 - value))
    return float(expit(logit(value) - half)), float(expit(logit(value) + half))


def _variance(counts: Histograms, placed: Histograms, value: ByClass, n: Float[np.ndarray, "class 1"]) -> ByClass:
    squares = (counts * np.square(placed - value[:, None])).sum(axis=1)
    return squares / (n * (n - 1))[:, 0]
