"""How far stated confidence is from being right, from sums over bins of confidence.

The plug-in ECE, the sum over bins of |right - confidence| as a share of all cases, is too high: within a bin the share
that is right is measured with noise, and an absolute value never lets noise cancel. The estimate here takes the
expected excess away: with the share that is right in a bin normal around what was measured, the mean of its absolute
distance is that of a folded normal distribution, and what that lies above the distance itself is the bin's excess.

Source: Kumar, Liang and Ma 2019, Verified Uncertainty Calibration, arXiv:1909.10155, whose debiased estimate of the
L1 calibration error draws those normal numbers; here their mean is written down (Leone et al. 1961 for the folded
normal).
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr  # scipy.stats takes a second to import

ECE_BINS = 10
PerCase = Float[np.ndarray, " case"]
Bins = Float[np.ndarray, "*draw bin"]
"""A sum over the cases of each bin; where there are draws, of each resample."""
Totals = Float[np.ndarray, "*draw"]


def confidence_bin(confidence: PerCase) -> Int[np.ndarray, " case"]:
    """The equal-width bin, 0 to ECE_BINS - 1, of each confidence; the upper edge belongs to its bin."""
    return np.clip(np.ceil(confidence * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)


def reliability_of(
    probabilities: Float[np.ndarray, "case class"], labels: Int[np.ndarray, " case"]
) -> Float[np.ndarray, "sum bin"]:
    """By bin of the most probable class's probability: cases, those that are right, and their probabilities summed."""
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    bins = confidence_bin(confidence)
    each = (np.ones(len(labels)), right, confidence)
    return np.stack([np.bincount(bins, weights=values, minlength=ECE_BINS) for values in each])


def plug_in_ece(cases: Bins, right: Bins, confidence: Bins) -> Totals:
    """The sum over bins of |right - confidence|, as a share of all cases; NaN without cases.

    Args:
        cases: how many a bin holds; it may be weighted.
        right: how many of them the most probable class is right for.
        confidence: the sum of their probabilities of it.
    """
    return _share(np.abs(right - confidence), cases)


def debiased_ece(cases: Bins, right: Bins, confidence: Bins) -> Totals:
    """The same less the excess that noise alone brings; it is below 0 where the sample is nearer than chance allows.

    A bin whose cases are all right, or all wrong, is taken at its word: it shows no noise.
    """
    held = cases > 0
    shares = np.divide(right, cases, out=np.zeros_like(cases, dtype=float), where=held)
    noise = np.sqrt(np.divide(shares * (1 - shares), cases, out=np.zeros_like(shares), where=held))
    distance = np.divide(np.abs(right - confidence), cases, out=np.zeros_like(shares), where=held)
    return _share(cases * (2 * distance - folded_mean(distance, noise)), cases)


def folded_mean(mean: Bins, deviation: Bins) -> Bins:
    """The mean of |x| for x normal: s sqrt(2 / pi) exp(-m^2 / 2 s^2) + m (1 - 2 Phi(-m / s)); |m| where s is 0."""
    ratio = np.divide(mean, deviation, out=np.zeros_like(mean, dtype=float), where=deviation > 0)
    folded = deviation * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2) + mean * (1 - 2 * ndtr(-ratio))
    return np.where(deviation > 0, folded, np.abs(mean))


def _share(parts: Bins, cases: Bins) -> Totals:
    total, whole = np.asarray(parts.sum(axis=-1)), np.asarray(cases.sum(axis=-1))
    return np.divide(total, whole, out=np.full(total.shape, np.nan), where=whole > 0)
