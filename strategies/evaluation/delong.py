"""One-against-rest AUROCs with the covariances that placements give: classes, and models on the same cases, are paired.

Source: DeLong et al. 1988, doi:10.2307/2531595.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

Probabilities = Float[np.ndarray, "case class"]
Labels = Int[np.ndarray, " case"]
Matrix = Float[np.ndarray, "class class"]
LEAST = 2
"""Positives, and negatives, without which there is no variance."""


def placements(scores: Float[np.ndarray, " case"], positive: Bool[np.ndarray, " case"]) -> Float[np.ndarray, " case"]:
    """Of a positive the share of negatives below it, of a negative that of positives above it; a tie counts half.

    Both have the AUROC as their mean.
    """
    placed = np.empty(len(scores))
    for own, sign in ((positive, 1), (~positive, -1)):
        others = np.sort(sign * scores[~own])
        below = np.searchsorted(others, sign * scores[own], side="left")
        placed[own] = (below + np.searchsorted(others, sign * scores[own], side="right")) / (2 * len(others))
    return placed


def aurocs(probabilities: Probabilities, labels: Labels, least: int = LEAST) -> Float[np.ndarray, " class"]:
    """By class; NaN where there are fewer positives, or negatives, than `least`."""
    found = np.full(probabilities.shape[1], np.nan)
    for index in _defined(labels, len(found), least):
        found[index] = placements(probabilities[:, index], labels == index)[labels == index].mean()
    return found


def influences(probabilities: Probabilities, labels: Labels, least: int = LEAST) -> Float[np.ndarray, "case class"]:
    """How far each case moves the AUROC of each class: `influences.T @ influences` is their covariance.

    Its diagonal is DeLong's variance. Of two models on the same cases, that of the difference is of the influences'
    difference; of the mean over classes, of their mean. 0 where the AUROC is undefined.
    """
    found = np.zeros(probabilities.shape)
    for index in _defined(labels, probabilities.shape[1], least):
        positive = labels == index
        placed = placements(probabilities[:, index], positive)
        for own in (positive, ~positive):
            n = own.sum()
            found[own, index] = (placed[own] - placed[own].mean()) / np.sqrt(n * (n - 1))
    return found


def pair_counts(labels: Labels, n_classes: int, least: int = LEAST) -> Float[np.ndarray, " class"]:
    """Pairs of a case of the class and one of another; 0 where the AUROC is undefined."""
    n_of = np.bincount(labels, minlength=n_classes).astype(np.float64)
    pairs = np.zeros(n_classes)
    defined = _defined(labels, n_classes, least)
    pairs[defined] = (n_of * (len(labels) - n_of))[defined]
    return pairs


def _defined(labels: Labels, n_classes: int, least: int) -> list[int]:
    n_of = np.bincount(labels, minlength=n_classes)
    return [index for index in range(n_classes) if min(n_of[index], len(labels) - n_of[index]) >= max(least, LEAST)]
