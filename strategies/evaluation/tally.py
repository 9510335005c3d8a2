"""What is counted of one model on one set of cases: sums, so that all sites' give what pooled cases would."""

import numpy as np
from jaxtyping import Bool, Float, Int

from strategies.evaluation.delong import aurocs, influences, pair_counts
from strategies.evaluation.ece import ECE_BINS, reliability_of
from strategies.evaluation.names import Arrays

N_BINS = 200
"""Of a histogram of scores: on the TCGA tables the bound of a fused macro-AUROC is .0013 (docs/evaluation.md)."""
LEAST_PROBABILITY = 1e-15
"""A probability of the true class counts as no less in the log loss."""
POSITIVES, NEGATIVES, CONFUSION, RELIABILITY, LOSSES = "positives", "negatives", "confusion", "reliability", "losses"
PAIRS, WINS, COVARIANCE, N = "pairs", "wins", "covariance", "n"
BY_CLASS = (POSITIVES, NEGATIVES, CONFUSION, PAIRS, WINS, COVARIANCE)
"""Arrays whose first axis is the class."""
Probabilities = Float[np.ndarray, "case class"]
Labels = Int[np.ndarray, " case"]


def tally_of(probabilities: Probabilities, labels: Labels) -> Arrays:
    """The tally; a case without probabilities (NaN) is left out.

    - `n`, 1 number: cases.
    - `positives`, `negatives` [class, bin]: histograms of a class's probability, over the cases of the class and over
      the others; N_BINS equal bins from 0 to 1, of which the upper edge belongs to the bin above, and 1 to the last.
    - `confusion` [true class, predicted class]: cases; predicted is the most probable.
    - `reliability` [3, ECE_BINS]: by bin of the most probable class's probability cases, those right, its sum.
    - `losses`, 4: Brier score (summed over classes), its square, log loss, its square; each summed over cases.
    - `pairs`, `wins` [class], `covariance` [class, class]: within the site, pairs of a case of the class and one of
      another, those in which the first has the higher probability, and the covariance of these wins (DeLong); 0 for a
      class with fewer than two cases on either side. Over the sites their sums give the AUROC within sites.
    """
    known = np.isfinite(probabilities).all(axis=1)
    probabilities, labels = probabilities[known], labels[known]
    n_classes = probabilities.shape[1]
    if not len(labels):
        return no_tally(n_classes)
    bins = np.clip((probabilities * N_BINS).astype(int), 0, N_BINS - 1)
    is_of = np.arange(n_classes) == labels[:, None]
    confusion = np.zeros((n_classes, n_classes))
    np.add.at(confusion, (labels, probabilities.argmax(axis=1)), 1.0)
    pairs, spread = pair_counts(labels, n_classes), influences(probabilities, labels)
    losses = losses_of(probabilities, labels)
    return {
        N: np.array([float(len(labels))]),
        POSITIVES: _histograms(bins, is_of),
        NEGATIVES: _histograms(bins, ~is_of),
        CONFUSION: confusion,
        RELIABILITY: reliability_of(probabilities, labels),
        LOSSES: np.array([total for own in losses for total in (own.sum(), np.square(own).sum())]),
        PAIRS: pairs,
        WINS: pairs * np.nan_to_num(aurocs(probabilities, labels)),
        COVARIANCE: np.outer(pairs, pairs) * (spread.T @ spread),
    }


def no_tally(n_classes: int) -> Arrays:
    """The tally of no case: what the arrays look like, and what a site sends that has or tells nothing."""
    square, row = np.zeros((n_classes, n_classes)), np.zeros(n_classes)
    return {
        N: np.zeros(1),
        POSITIVES: np.zeros((n_classes, N_BINS)),
        NEGATIVES: np.zeros((n_classes, N_BINS)),
        CONFUSION: square,
        RELIABILITY: np.zeros((3, ECE_BINS)),
        LOSSES: np.zeros(4),
        PAIRS: row,
        WINS: row.copy(),
        COVARIANCE: square.copy(),
    }


def without_classes(tally: Arrays, few: Bool[np.ndarray, " class"]) -> Arrays:
    """The tally without what it says of these classes alone."""
    left = {name: array.copy() for name, array in tally.items()}
    for name in [name for name in BY_CLASS if name in left]:
        left[name][few] = 0.0
    if COVARIANCE in left:
        left[COVARIANCE][:, few] = 0.0
    return left


def losses_of(
    probabilities: Probabilities, labels: Labels
) -> tuple[Float[np.ndarray, " case"], Float[np.ndarray, " case"]]:
    """Brier score, from 0 to 2, and log loss of each case."""
    truth = np.arange(probabilities.shape[1]) == labels[:, None]
    of_truth = np.maximum(probabilities[np.arange(len(labels)), labels], LEAST_PROBABILITY)
    return np.square(probabilities - truth).sum(axis=1), -np.log(of_truth)


def _histograms(bins: Int[np.ndarray, "case class"], counted: np.ndarray) -> Float[np.ndarray, "class bin"]:
    return np.stack(
        [np.bincount(own[of_class], minlength=N_BINS) for own, of_class in zip(bins.T, counted.T, strict=True)]
    ).astype(np.float64)
