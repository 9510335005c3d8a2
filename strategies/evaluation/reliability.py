"""Is a confidence of 80 % right in 80 of 100 cases? Sums by bin of confidence."""

import numpy as np
from jaxtyping import Float, Int

ECE_BINS = 10
PerCase = Float[np.ndarray, " case"]


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
