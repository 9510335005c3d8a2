"""What the federated model gains over a site's own, case by case: sums in which both are paired."""

import numpy as np

from strategies.evaluation.delong import aurocs, influences, pair_counts
from strategies.evaluation.names import Arrays
from strategies.evaluation.tally import COVARIANCE, LOSSES, PAIRS, WINS, Labels, N, Probabilities, losses_of

RECALL, SITES = "recall", "sites"
LEAST_POSITIVES = 5
"""Cases of a class, and others, from which a site's own AUROC is told, or counts as a gain: below, chance decides."""


def gain_of(federated: Probabilities, local: Probabilities, labels: Labels) -> Arrays:
    """Federated minus local, over the cases of which both say something.

    - `n`, 1 number: cases.
    - `pairs`, `wins` [class], `covariance` [class, class]: as in a tally, of the difference of the wins.
    - `losses`, 4: difference of the Brier score, its square, of the log loss, its square; summed over cases.
    - `recall` [class, 3]: cases of the class, difference of those that are right, its square; summed.
    - `sites`, 3: 1 if the site has a macro-AUROC of both, 1 if the federated one is higher, 1 if it is lower.
    """
    known = np.isfinite(federated).all(axis=1) & np.isfinite(local).all(axis=1)
    federated, local, labels = federated[known], local[known], labels[known]
    n_classes = federated.shape[1]
    if not len(labels):
        return no_gain(n_classes)
    pairs = pair_counts(labels, n_classes)
    spread = influences(federated, labels) - influences(local, labels)
    differences = [
        mine - other for mine, other in zip(losses_of(federated, labels), losses_of(local, labels), strict=True)
    ]
    right = (federated.argmax(axis=1) == labels).astype(float) - (local.argmax(axis=1) == labels)
    each = (np.ones(len(labels)), right, np.square(right))
    return {
        N: np.array([float(len(labels))]),
        PAIRS: pairs,
        WINS: pairs * np.nan_to_num(aurocs(federated, labels) - aurocs(local, labels)),
        COVARIANCE: np.outer(pairs, pairs) * (spread.T @ spread),
        LOSSES: np.array([total for own in differences for total in (own.sum(), np.square(own).sum())]),
        RECALL: np.stack([np.bincount(labels, weights=values, minlength=n_classes) for values in each], axis=1),
        SITES: _sites(federated, local, labels),
    }


def no_gain(n_classes: int) -> Arrays:
    """The gain over no case."""
    return {
        N: np.zeros(1),
        PAIRS: np.zeros(n_classes),
        WINS: np.zeros(n_classes),
        COVARIANCE: np.zeros((n_classes, n_classes)),
        LOSSES: np.zeros(4),
        RECALL: np.zeros((n_classes, 3)),
        SITES: np.zeros(3),
    }


def _sites(federated: Probabilities, local: Probabilities, labels: Labels) -> np.ndarray:
    gains = aurocs(federated, labels, LEAST_POSITIVES) - aurocs(local, labels, LEAST_POSITIVES)
    if np.isnan(gains).all():
        return np.zeros(3)
    return np.array([1.0, float(np.nanmean(gains) > 0), float(np.nanmean(gains) < 0)])
