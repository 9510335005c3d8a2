"""The pictures of the federated and the centralised model side by side: per class, per bin, per round."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from simulations.report.words import headline
from simulations.scores.predictions import COMPLETE, FUSED
from simulations.scores.results import Json
from strategies.evaluation.ece import confidence_bin
from strategies.report.look import ARM_LOOKS, WIDTH, draw, short
from strategies.report.panels import matrix_panel, recall_panel, reliability_panels, roc_panel, wilson
from strategies.report.words import Number, number

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
            matrix_panel(axes, counts, classes)
            axes.set_title(ARM_LOOKS[arm].label)

    return draw(WIDTH if len(matrices) == 2 else WIDTH / 2, 1.3 + 0.62 * len(classes), paint)


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
            roc_panel(
                axes,
                [(one.arm, ARM_LOOKS[one.arm], one.labels == index, one.probabilities[:, index]) for one in both],
            )
            axes.set_title(short(classes[index]))
            if index % columns == 0:
                axes.set_ylabel("True positive rate")

    return draw(WIDTH * columns / 4 if columns > 1 else 4, 2.75 * lines + 0.2, paint)


def recall(results: Json, name: str = "", of: str = "arms") -> Figure | None:
    """Share of each class that is found, per arm, with Wilson 95 % intervals (none for the mean of sites)."""
    name, classes, scored = name or headline(results), results["task"]["classes"], results[of]
    arms = [arm for arm in ("federated", "centralised", "local", "reference") if name in scored.get(arm, {})]
    if not arms:
        return None

    def paint(figure: Figure) -> None:
        axes, first = figure.add_subplot(), scored[arms[0]][name]["recall"]
        rows = [(ARM_LOOKS[arm], {c: _recall(scored[arm][name]["recall"][c], arm) for c in classes}) for arm in arms]
        recall_panel(axes, {c: first[c]["n"] for c in classes}, rows)
        figure.legend(loc="outside upper center", ncols=len(arms), fontsize=9)

    return draw(WIDTH, 1.1 + 0.72 * len(classes), paint)


def _recall(own: Json, arm: str) -> Json:
    """With Wilson's interval, except of the mean of sites."""
    value = own["value"]
    low, high = (None, None) if value is None or arm == "local" else wilson(value, own["n"])
    return {"value": value, "low": low, "high": high}


def reliability(both: Sequence[Scored], results: Json) -> Figure | None:
    """How often the model is right at each level of confidence, and how many cases stand there."""
    if not both:
        return None

    def paint(figure: Figure) -> None:
        panels = figure.subplots(2, len(both), squeeze=False, sharex=True, height_ratios=[3, 1])
        for column, one in enumerate(both):
            ece = results["arms"][one.arm][headline(results)]["ece"]["value"]
            reliability_panels(panels[0, column], panels[1, column], _bins(one), ARM_LOOKS[one.arm])
            panels[0, column].set_title(f"{ARM_LOOKS[one.arm].label}: ECE {number(ece)}")
        panels[0, 0].set_ylabel("Share that is right")
        panels[1, 0].set_ylabel("Cases")

    return draw(WIDTH if len(both) == 2 else WIDTH / 2, 4.2, paint)


def _bins(one: Scored) -> list[dict[str, Number]]:
    """The bins of confidence that hold cases."""
    confidence, right = one.probabilities.max(axis=1), one.probabilities.argmax(axis=1) == one.labels
    place = confidence_bin(confidence)
    within = [place == each for each in np.unique(place)]
    return [
        {"confidence": float(confidence[own].mean()), "right": float(right[own].mean()), "n": int(own.sum())}
        for own in within
    ]
