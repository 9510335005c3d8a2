"""One panel of a picture: a confusion matrix, an ROC curve, confidence against truth, the recall of each class."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from sklearn.metrics import roc_auc_score, roc_curve

from strategies.evaluation.ece import ECE_BINS, confidence_bin
from strategies.report.look import INK, MUTED, RULE, ArmLook, plain, short
from strategies.report.words import Json, Number, number, percent


def matrix_panel(axes: Axes, counts: np.ndarray, classes: Sequence[str]) -> None:
    """True class by predicted class, shaded by the share of each true class."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for i, j in np.ndindex(*counts.shape):
        colour = "white" if share[i, j] > 0.6 else INK
        axes.text(j, i - 0.1, percent(share[i, j]), ha="center", va="center", color=colour, fontweight="bold")
        axes.text(j, i + 0.24, f"{counts[i, j]}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(classes)), [short(c, 12) for c in classes])
    axes.set_yticks(range(len(classes)), [f"{short(c, 12)} ({n})" for c, n in zip(classes, counts.sum(1), strict=True)])
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True (cases)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(classes) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(classes) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", lw=2)
    axes.tick_params(which="minor", length=0)


def roc_panel(axes: Axes, curves: Iterable[tuple[str, ArmLook, np.ndarray, np.ndarray]]) -> None:
    """ROC curves of one class, the first drawn through and the others dashed, each with its AUROC, or n/a.

    A curve is what it is called, its look, which cases are of the class, and each case's probability of it.
    """
    axes.plot([0, 1], [0, 1], color=RULE, lw=1, ls=(0, (4, 3)))
    for order, (name, look, positive, probability) in enumerate(curves):
        auroc = None
        if positive.any() and not positive.all():
            away, hit, _ = roc_curve(positive, probability)
            auroc = float(roc_auc_score(positive, probability))
            axes.plot(away, hit, color=look.colour, lw=1.7, ls=(0, (3, 1.5)) if order else "-")
        place = 0.12 - 0.085 * order
        axes.text(0.98, place, f"{name} {number(auroc)}", ha="right", va="center", color=look.colour, fontsize=8.8)
    axes.set_xlabel("False positive rate")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), yticks=[0, 0.5, 1])
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_box_aspect(1)
    plain(axes, "both")


def reliability_panels(upper: Axes, lower: Axes, bins: Sequence[Mapping[str, Number]], look: ArmLook) -> None:
    """How often a model is right at each level of confidence, and how many cases stand there.

    A bin has `confidence` and `right`, the means of its cases, and `n`.
    """
    confidence = np.array([one["confidence"] for one in bins], dtype=float)
    right, n = np.array([one["right"] for one in bins], dtype=float), np.array([one["n"] for one in bins], dtype=int)
    upper.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (4, 3)))
    for x, y, count in zip(confidence, right, n, strict=True):
        upper.plot([x, x], wilson(y, int(count)), color=look.colour, lw=1.2, alpha=0.55)
    upper.plot(confidence, right, "-", marker=look.marker, color=look.colour, ms=6, mec="white", mew=0.8)
    counts = np.bincount(confidence_bin(confidence), weights=n, minlength=ECE_BINS)
    lower.bar((np.arange(ECE_BINS) + 0.5) / ECE_BINS, counts, 0.9 / ECE_BINS, color=look.colour, alpha=0.65)
    lower.set_xlabel("Confidence (probability of the predicted class)")
    upper.set(xlim=(0, 1), ylim=(0, 1.02))
    plain(upper, "both")
    plain(lower, "y")


def recall_panel(axes: Axes, counts: Mapping[str, int], rows: Sequence[tuple[ArmLook, Mapping[str, Json]]]) -> None:
    """Share of each class that is found: a model's look, and its recall by class, with the interval where it has one.

    `counts` has the cases of each class, in the order in which the classes stand.
    """
    for row, (look, recall) in enumerate(rows):
        offset = 0.16 * (row - (len(rows) - 1) / 2)
        known = [(i + offset, own) for i, name in enumerate(counts) if (own := recall[name])["value"] is not None]
        for y, own in known:
            if own["low"] is not None:
                axes.plot([own["low"], own["high"]], [y, y], color=look.colour, lw=1.6, alpha=0.8)
        values, places = [own["value"] for _, own in known], [y for y, _ in known]
        dots = {"color": look.colour, "ms": 6.5, "mec": "white", "mew": 0.8}
        axes.plot(values, places, look.marker, label=look.label, **dots)
    axes.set_yticks(range(len(counts)), [f"{short(name)} (n = {n})" for name, n in counts.items()])
    axes.set_ylim(len(counts) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("Recall: share of the class's cases that are called that class")
    plain(axes)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion."""
    z2 = 1.959964**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return float(middle - half), float(middle + half)
