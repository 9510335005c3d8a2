"""The pictures of the federated and the centralised model side by side: per class, per bin, per round."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score, roc_curve

from simulations.report.look import ARM_LOOKS, INK, MUTED, RULE, WIDTH, draw, plain, short
from simulations.report.words import headline, number, percent
from simulations.scores.metrics import ECE_BINS, confidence_bin
from simulations.scores.predictions import COMPLETE, FUSED
from simulations.scores.results import Json

PAIR = ("federated", "centralised")


@dataclass(frozen=True)
class Scored:
    """One arm's probabilities and the labels, on the SET the report leads with."""

    arm: str
    probabilities: np.ndarray
    labels: np.ndarray


def scored(results: Json, predictions: pd.DataFrame) -> list[Scored]:
    """The federated and the centralised arm on the headline SET, where they have predictions for it."""
    name, classes = headline(results), results["task"]["classes"]
    found = []
    for arm in PAIR:
        rows = _rows(predictions, arm, name, results["task"]["modalities"])
        if len(rows):
            columns = [f"p_{i}" for i in range(len(classes))]
            found.append(Scored(arm, rows[columns].to_numpy(float), rows["label"].to_numpy(int)))
    return found


def _rows(predictions: pd.DataFrame, arm: str, name: str, modalities: Sequence[str]) -> pd.DataFrame:
    """An arm's rows for a SET; the complete cases are those every modality has rows for."""
    own = predictions.loc[(predictions["arm"] == arm) & (predictions["set"] == name)]
    if name != COMPLETE or len(own):
        return own
    holders = [set(predictions.loc[predictions["set"] == modality, "case_id"]) for modality in modalities]
    fused = predictions.loc[(predictions["arm"] == arm) & (predictions["set"] == FUSED)]
    return fused.loc[fused["case_id"].isin(set.intersection(*holders))]


def confusion(results: Json) -> Figure | None:
    """Confusion matrices side by side, shaded by the share of each true class."""
    name, classes = headline(results), results["task"]["classes"]
    matrices = {
        arm: np.array(results["arms"][arm][name]["confusion"]) for arm in PAIR if name in results["arms"].get(arm, {})
    }
    if not matrices:
        return None

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(matrices), squeeze=False)[0]
        for axes, (arm, counts) in zip(panels, matrices.items(), strict=True):
            _matrix(axes, counts, classes)
            axes.set_title(ARM_LOOKS[arm].label)

    return draw(WIDTH if len(matrices) == 2 else WIDTH / 2, 1.3 + 0.62 * len(classes), paint)


def _matrix(axes: Axes, counts: np.ndarray, classes: Sequence[str]) -> None:
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


def roc(both: Sequence[Scored], classes: Sequence[str]) -> Figure | None:
    """ROC curves, one panel a class; a class without positives or negatives says n/a."""
    if not both:
        return None
    columns = min(len(classes), 4)
    lines = -(-len(classes) // columns)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for index, axes in enumerate(panels):
            if index >= len(classes):
                axes.set_visible(False)
                continue
            _roc_panel(axes, both, index)
            axes.set_title(short(classes[index]))
            if index % columns == 0:
                axes.set_ylabel("True positive rate")

    return draw(WIDTH * columns / 4 if columns > 1 else 4, 2.75 * lines + 0.2, paint)


def _roc_panel(axes: Axes, both: Sequence[Scored], index: int) -> None:
    axes.plot([0, 1], [0, 1], color=RULE, lw=1, ls=(0, (4, 3)))
    for order, one in enumerate(both):
        positive, look = one.labels == index, ARM_LOOKS[one.arm]
        auroc = None
        if positive.any() and not positive.all():
            away, hit, _ = roc_curve(positive, one.probabilities[:, index])
            auroc = roc_auc_score(positive, one.probabilities[:, index])
            style = "-" if one.arm == "federated" else (0, (3, 1.5))
            axes.plot(away, hit, color=look.colour, lw=1.7, ls=style)
        text = f"{one.arm} {number(auroc)}"
        axes.text(0.98, 0.12 - 0.085 * order, text, ha="right", va="center", color=look.colour, fontsize=8.8)
    axes.set_xlabel("False positive rate")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), yticks=[0, 0.5, 1])
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_box_aspect(1)
    plain(axes, "both")


def recall(results: Json, name: str = "", of: str = "arms") -> Figure | None:
    """Share of each class that is found, per arm, with Wilson 95 % intervals (none for the mean of sites)."""
    name, classes, scored = name or headline(results), results["task"]["classes"], results[of]
    arms = [arm for arm in ("federated", "centralised", "local", "reference") if name in scored.get(arm, {})]
    if not arms:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for row, arm in enumerate(arms):
            look, offset = ARM_LOOKS[arm], 0.16 * (row - (len(arms) - 1) / 2)
            found = [scored[arm][name]["recall"][c] for c in classes]
            known = [(i + offset, one) for i, one in enumerate(found) if one["value"] is not None]
            for y, one in known if arm != "local" else []:
                axes.plot(wilson(one["value"], one["n"]), [y, y], color=look.colour, lw=1.6, alpha=0.8)
            places = [y for y, _ in known]
            axes.plot(
                [one["value"] for _, one in known],
                places,
                look.marker,
                color=look.colour,
                ms=6.5,
                mec="white",
                mew=0.8,
                label=look.label,
            )
        counts = scored[arms[0]][name]["recall"]
        axes.set_yticks(range(len(classes)), [f"{short(c)} (n = {counts[c]['n']})" for c in classes])
        axes.set_ylim(len(classes) - 0.5, -0.5)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("Recall: share of the class's cases that are called that class")
        figure.legend(loc="outside upper center", ncols=len(arms), fontsize=9)
        plain(axes)

    return draw(WIDTH, 1.1 + 0.72 * len(classes), paint)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion."""
    z2 = 1.959964**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return float(middle - half), float(middle + half)


def reliability(both: Sequence[Scored], results: Json) -> Figure | None:
    """How often the model is right at each level of confidence, and how many cases stand there."""
    if not both:
        return None

    def paint(figure: Figure) -> None:
        panels = figure.subplots(2, len(both), squeeze=False, sharex=True, height_ratios=[3, 1])
        for column, one in enumerate(both):
            ece = results["arms"][one.arm][headline(results)]["ece"]["value"]
            _reliability_panel(panels[0, column], panels[1, column], one)
            panels[0, column].set_title(f"{ARM_LOOKS[one.arm].label}: ECE {number(ece)}")
        panels[0, 0].set_ylabel("Share that is right")
        panels[1, 0].set_ylabel("Cases")

    return draw(WIDTH if len(both) == 2 else WIDTH / 2, 4.2, paint)


def _reliability_panel(upper: Axes, lower: Axes, one: Scored) -> None:
    confidence, look = one.probabilities.max(axis=1), ARM_LOOKS[one.arm]
    right = one.probabilities.argmax(axis=1) == one.labels
    bins = confidence_bin(confidence)
    upper.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (4, 3)))
    filled = [b for b in range(ECE_BINS) if (bins == b).any()]
    means = [confidence[bins == b].mean() for b in filled]
    shares = [right[bins == b].mean() for b in filled]
    for x, y, n in zip(means, shares, [(bins == b).sum() for b in filled], strict=True):
        upper.plot([x, x], wilson(y, int(n)), color=look.colour, lw=1.2, alpha=0.55)
    upper.plot(means, shares, "-", marker=look.marker, color=look.colour, ms=6, mec="white", mew=0.8)
    counts = np.bincount(bins, minlength=ECE_BINS)
    lower.bar((np.arange(ECE_BINS) + 0.5) / ECE_BINS, counts, 0.9 / ECE_BINS, color=look.colour, alpha=0.65)
    lower.set_xlabel("Confidence (probability of the predicted class)")
    upper.set(xlim=(0, 1), ylim=(0, 1.02))
    plain(upper, "both")
    plain(lower, "y")
