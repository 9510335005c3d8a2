"""Conformal sets: the classes that a case may have, among which the true one is as often as promised.

A case's score is 1 - p(true class). Each class has its own threshold (Mondrian: the promise holds class by class), a
quantile of the scores of training cases that the branches never saw; a set holds each class c with 1 - p_c up to its
threshold. A federation adds up histograms of scores, so no case's own score leaves a site.

Source: Vovk 2012, arXiv:1209.2673, section 4; adding up over sites: Lu et al. 2023, arXiv:2305.17564.
"""

import math

import numpy as np
from jaxtyping import Bool, Float, Int

COVERAGE = 0.9
N_BINS = 100
SHRINKAGE = 50.0
Probabilities = Float[np.ndarray, "case class"]
Labels = Int[np.ndarray, " case"]


def score_counts(probabilities: Probabilities, labels: Labels) -> Float[np.ndarray, "class bin"]:
    """Cases by true class and bin of their score; a case without probabilities is left out."""
    n_classes = probabilities.shape[1]
    scores = _scores(probabilities, labels)
    known = np.isfinite(scores)
    bins = np.clip(np.ceil(scores[known] * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    flat = np.bincount(labels[known] * N_BINS + bins, minlength=n_classes * N_BINS)
    return flat.reshape(n_classes, N_BINS).astype(np.float64)


def thresholds_of(counts: Float[np.ndarray, "class bin"], coverage: float = COVERAGE) -> Float[np.ndarray, " class"]:
    """Per class, the upper edge of the bin up to which ceil((n + 1) * coverage) of its n scores lie.

    A class with too few cases for that gets 1: it is in every set.
    """
    found = np.ones(len(counts))
    for index, row in enumerate(counts):
        rank = rank_of(row.sum(), coverage)
        if rank is not None:
            found[index] = (np.searchsorted(np.cumsum(row), rank) + 1) / N_BINS
    return found


def rank_of(n: float | int, coverage: float = COVERAGE) -> int | None:
    """The place of the threshold among n scores in order, ceil((n + 1) * coverage); None where that is beyond n."""
    rank = math.ceil((n + 1) * coverage - 1e-9)
    return rank if rank <= n else None


def own_thresholds(
    probabilities: Probabilities, labels: Labels, shared: Float[np.ndarray, " class"], coverage: float = COVERAGE
) -> Float[np.ndarray, " class"]:
    """A site's own thresholds, drawn towards the shared ones: (n_c * own_c + SHRINKAGE * shared_c) / (n_c + SHRINKAGE).

    own_c is the quantile of the site's n_c scores of class c; a class with too few cases for one keeps the shared
    threshold. They are made and used inside the site.
    """
    scores, found = _scores(probabilities, labels), np.array(shared, dtype=np.float64)
    for index in range(len(found)):
        own = np.sort(scores[(labels == index) & np.isfinite(scores)])
        rank = rank_of(len(own), coverage)
        if rank is not None:
            found[index] = (len(own) * own[rank - 1] + SHRINKAGE * found[index]) / (len(own) + SHRINKAGE)
    return found


def sets_of(
    probabilities: Probabilities, thresholds: Float[np.ndarray, "*case class"]
) -> Bool[np.ndarray, "case class"]:
    """Which classes are in each case's set; thresholds for all cases alike, or a row a case."""
    return 1 - probabilities <= thresholds + 1e-12


def _scores(probabilities: Probabilities, labels: Labels) -> Float[np.ndarray, " case"]:
    return 1 - probabilities[np.arange(len(labels)), labels]
