"""Classification metrics with 95 % bootstrap intervals over cases, every resample computed at once.

Row 0 of every array of draws is the sample itself; the other rows are resamples. So one call gives value and interval,
and a paired difference is a subtraction of two such arrays.
"""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from jaxtyping import Bool, Float, Int

from strategies.evaluation.ece import ECE_BINS, confidence_bin, debiased_ece, plug_in_ece
from strategies.evaluation.equivalence import MARGIN, equivalence_of_draws

Probabilities = Float[np.ndarray, "case class"]
Labels = Int[np.ndarray, " case"]
Weights = Float[np.ndarray, "draw case"]
Draws = Float[np.ndarray, " draw"]
PerCase = Float[np.ndarray, " case"]
BinSums = Float[np.ndarray, "draw bin"]
Estimate = dict[str, float | None]

N_DRAWS = 2000
MIN_CASES = 5  # with fewer positives (or negatives) an AUROC is "n/a": chance, not the model, would decide it
INTERVALS = ("macro_auroc", "balanced_accuracy", "accuracy", "macro_f1", "ece")
PAIRED = ("macro_auroc", "balanced_accuracy", "accuracy")


def case_weights(n_cases: int, n_draws: int = N_DRAWS, seed: int = 0) -> Float[np.ndarray, "draw {n_cases}"]:
    """How often each case is drawn: row 0 is all ones, rows 1 to n_draws are multinomial(n_cases, 1 / n_cases) counts.

    The same n_cases and seed give the same draws, so arms scored on the same cases in the same order are paired.
    """
    counts = np.ones((n_cases, n_draws + 1))  # cases first in memory: sorting cases then copies whole rows
    if n_cases:
        picks = np.random.default_rng(seed).integers(0, n_cases, (n_draws, n_cases))
        flat = (picks + n_cases * np.arange(n_draws)[:, None]).ravel()
        counts[:, 1:] = np.bincount(flat, minlength=n_draws * n_cases).reshape(n_draws, n_cases).T
    return counts.T


def weighted_auroc(scores: PerCase, positive: Bool[np.ndarray, " case"], weights: Weights) -> Draws:
    """P(score of a positive > score of a negative) + P(tie) / 2 in every draw; NaN where a side weighs nothing."""
    negatives = np.flatnonzero(~positive)
    negatives = negatives[np.argsort(scores[negatives])]
    below = np.searchsorted(scores[negatives], scores[positive], side="left")
    up_to = np.searchsorted(scores[negatives], scores[positive], side="right")
    by_case = weights.T
    cumulative = np.zeros((len(negatives) + 1, len(weights)))
    for row, case in enumerate(negatives):  # row by row: np.cumsum along the first axis takes four times as long
        np.add(cumulative[row], by_case[case], out=cumulative[row + 1])
    beaten = cumulative[below]
    beaten += cumulative[up_to]
    wins = np.einsum("cd,cd->d", by_case[positive], beaten) / 2
    pairs = by_case[positive].sum(axis=0) * cumulative[-1]
    return np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def auroc_draws(probabilities: Probabilities, labels: Labels, weights: Weights) -> Float[np.ndarray, "class draw"]:
    """One-vs-rest AUROC per class and draw; NaN for a class with fewer than MIN_CASES positives or negatives."""
    draws = np.full((probabilities.shape[1], len(weights)), np.nan)
    for index in range(probabilities.shape[1]):
        positive = labels == index
        if min(positive.sum(), (~positive).sum()) >= MIN_CASES:
            draws[index] = weighted_auroc(probabilities[:, index], positive, weights)
    return draws


def metric_draws(probabilities: Probabilities, labels: Labels, weights: Weights) -> dict[str, Draws]:
    """The metrics of INTERVALS in every draw (row 0: the sample itself).

    Macro-AUROC: mean over the classes that are not n/a. Balanced accuracy: mean recall over the classes that occur.
    Macro-F1: mean over the classes that occur or are predicted. A class absent from a resample is left out of it.
    """
    check(probabilities, labels, weights)
    confusion = _confusion_draws(probabilities, labels, weights)
    right = np.diagonal(confusion, axis1=1, axis2=2)
    true, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    return {
        "macro_auroc": mean_defined(auroc_draws(probabilities, labels, weights)),
        "balanced_accuracy": mean_defined(_ratio(right, true).T),
        "accuracy": _ratio(right.sum(axis=1), true.sum(axis=1)),
        "macro_f1": mean_defined(_ratio(2 * right, true + predicted).T),
        "ece": _ece_draws(probabilities, labels, weights),
    }


def _confusion_draws(probabilities: Probabilities, labels: Labels, weights: Weights) -> Float[np.ndarray, "draw c c"]:
    n_classes = probabilities.shape[1]
    cells = np.eye(n_classes**2)[labels * n_classes + probabilities.argmax(axis=1)]
    return (weights @ cells).reshape(-1, n_classes, n_classes)


def _ece_draws(probabilities: Probabilities, labels: Labels, weights: Weights) -> Draws:
    """Expected calibration error, less what noise adds to it: `strategies.evaluation.ece.debiased_ece`.

    Top label only, ECE_BINS equal-width bins of its probability. A resample's estimate is near the plain ECE of the
    sample, which is its truth; so the resamples are moved to have their mean at the sample's estimate. None is below 0.
    """
    draws = debiased_ece(*bin_sums(probabilities, labels, weights))
    known = draws[1:][~np.isnan(draws[1:])]
    if known.size:
        draws[1:] -= known.mean() - draws[0]
    return np.maximum(draws, 0.0)


def bin_sums(probabilities: Probabilities, labels: Labels, weights: Weights) -> tuple[BinSums, BinSums, BinSums]:
    """Cases, right ones, and summed confidence by draw and bin of confidence."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    in_bin = np.eye(ECE_BINS)[confidence_bin(confidence)]
    return weights @ in_bin, weights @ (in_bin * right[:, None]), weights @ (in_bin * confidence[:, None])


def mean_defined(draws: Float[np.ndarray, "part draw"]) -> Draws:
    """Mean over the parts that are not NaN; NaN where none is."""
    defined = ~np.isnan(draws)
    return _ratio(np.where(defined, draws, 0.0).sum(axis=0), defined.sum(axis=0))


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """The top divided by the bottom; NaN where the bottom is 0."""
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def estimate(draws: Draws) -> Estimate:
    """Value (row 0) with its 95 % percentile interval; None where undefined."""
    resampled = draws[1:][~np.isnan(draws[1:])]
    if np.isnan(draws[0]) or not len(resampled):
        return {"value": number(draws[0]), "low": None, "high": None}
    low, high = np.percentile(resampled, [2.5, 97.5])
    return {"value": number(draws[0]), "low": number(low), "high": number(high)}


def number(value: float) -> float | None:
    """A plain float for JSON; None for NaN."""
    return None if np.isnan(value) else float(value)


def check(probabilities: Probabilities, labels: Labels, weights: Weights) -> None:
    """Refuse what would give a wrong number rather than no number.

    Raises:
        ValueError: shapes disagree, rows are no probabilities, labels are no classes, row 0 is not the sample itself.
    """
    n_cases, n_classes = probabilities.shape
    if labels.shape != (n_cases,) or weights.shape[1] != n_cases:
        raise ValueError(f"{n_cases} predictions, {labels.shape} labels, {weights.shape} weights: sizes must agree")
    if not (np.isfinite(probabilities).all() and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)):
        raise ValueError("probabilities must be finite and each case's must sum to 1")
    if (probabilities < 0).any():
        raise ValueError("probabilities must not be negative")
    if n_cases and not (labels.min() >= 0 and labels.max() < n_classes):
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}; expected 0 to {n_classes - 1}")
    if not (weights[0] == 1).all():
        raise ValueError("row 0 of the weights must be all ones (the sample itself): use case_weights")


def summarise(
    probabilities: Probabilities,
    labels: Labels,
    weights: Weights,
    classes: Sequence[str],
    draws: dict[str, Draws] | None = None,
) -> dict[str, object]:
    """Every metric of one arm on one set of cases, in the shape of results.json.

    Args:
        probabilities: one row per case, one column per class, summing to 1.
        labels: class indices.
        weights: from case_weights, so that arms on the same cases share their resamples.
        classes: names, in the order of the columns.
        draws: metric_draws of the same three, where the caller has them already.
    """
    draws = draws or metric_draws(probabilities, labels, weights)
    confusion = _confusion_draws(probabilities, labels, weights[:1])[0]
    recall = _ratio(np.diagonal(confusion), confusion.sum(axis=1))
    auroc = auroc_draws(probabilities, labels, weights[:1])[:, 0]
    result: dict[str, object] = {"n": len(labels), **{name: estimate(draws[name]) for name in INTERVALS}}
    result["macro_auroc"] = {**estimate(draws["macro_auroc"]), "classes_counted": int((~np.isnan(auroc)).sum())}
    result["plain_ece"] = number(float(plug_in_ece(*bin_sums(probabilities, labels, weights[:1]))[0]))
    result["log_loss"] = log_loss(probabilities, labels)
    n_of = confusion.sum(axis=1).astype(int)
    result["recall"] = {c: {"value": number(recall[i]), "n": int(n_of[i])} for i, c in enumerate(classes)}
    result["auroc"] = {c: number(auroc[i]) for i, c in enumerate(classes)}
    result["confusion"] = confusion.astype(int).tolist()
    return result


def log_loss(probabilities: Probabilities, labels: Labels) -> float | None:
    """Mean of -log p(true class), p held above 1e-15; None without cases."""
    if not len(labels):
        return None
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-15)).mean())


def paired_difference(
    probabilities_a: Probabilities,
    probabilities_b: Probabilities | Sequence[Probabilities],
    labels: Labels,
    weights: Weights,
) -> dict[str, Estimate]:
    """PAIRED metrics of a minus those of b, resample by resample; b may be a list: minus the mean over its members."""
    many = [probabilities_b] if isinstance(probabilities_b, np.ndarray) else list(probabilities_b)
    a = metric_draws(probabilities_a, labels, weights)
    return difference([(a, metric_draws(b, labels, weights)) for b in many])


Pairs = Sequence[tuple[dict[str, Draws], dict[str, Draws]]]
"""metric_draws of a and of b, each pair on the same cases."""


def difference(pairs: Pairs) -> dict[str, Estimate]:
    """The same from metric_draws: the mean over the pairs (a, b) of a minus b."""
    return {name: estimate(_gap(pairs, name)) for name in PAIRED}


def equivalence(pairs: Pairs, margin: float = MARGIN) -> dict[str, float | str] | None:
    """The two one-sided tests of the difference in macro-AUROC, in the shape of results.json; None without one."""
    found = equivalence_of_draws(_gap(pairs, "macro_auroc")[1:], margin)
    return {**asdict(found), "verdict": str(found.verdict)} if found else None


def _gap(pairs: Pairs, name: str) -> Draws:
    return mean_defined(np.stack([a[name] - b[name] for a, b in pairs]))
