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
from strategies.report import figures
from strategies.report.look import ARM_LOOKS
from strategies.report.panels import wilson
from strategies.report.words import Number

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
    name, arms = headline(results), results["arms"]
    matrices = [(ARM_LOOKS[arm], np.array(arms[arm][name]["confusion"])) for arm in PAIR if name in arms.get(arm, {})]
    return figures.confusion(matrices, results["task"]["classes"])


def roc(both: Sequence[Scored], classes: Sequence[str]) -> Figure | None:
    """ROC curves, one panel a class; a class without positives or negatives says n/a."""
    return figures.roc([(one.arm, ARM_LOOKS[one.arm], one.labels, one.probabilities) for one in both], classes)


def recall(results: Json, name: str = "", of: str = "arms") -> Figure | None:
    """Share of each class that is found, per arm, with Wilson 95 % intervals (none for the mean of sites)."""
    name, classes, scored = name or headline(results), results["task"]["classes"], results[of]
    arms = [arm for arm in ("federated", "centralised", "local", "reference") if name in scored.get(arm, {})]
    counts = {c: scored[arms[0]][name]["recall"][c]["n"] for c in classes} if arms else {}
    rows = [(ARM_LOOKS[arm], {c: _recall(scored[arm][name]["recall"][c], arm) for c in classes}) for arm in arms]
    return figures.recall(counts, rows)


def _recall(own: Json, arm: str) -> Json:
    """With Wilson's interval, except of the mean of sites."""
    value = own["value"]
    low, high = (None, None) if value is None or arm == "local" else wilson(value, own["n"])
    return {"value": value, "low": low, "high": high}


def reliability(both: Sequence[Scored], results: Json) -> Figure | None:
    """How often the model is right at each level of confidence, and how many cases stand there."""
    name, arms = headline(results), results["arms"]
    return figures.reliability([(ARM_LOOKS[one.arm], arms[one.arm][name]["ece"]["value"], _bins(one)) for one in both])


def _bins(one: Scored) -> list[dict[str, Number]]:
    """The bins of confidence that hold cases."""
    confidence, right = one.probabilities.max(axis=1), one.probabilities.argmax(axis=1) == one.labels
    place = confidence_bin(confidence)
    within = [place == each for each in np.unique(place)]
    return [
        {"confidence": float(confidence[own].mean()), "right": float(right[own].mean()), "n": int(own.sum())}
        for own in within
    ]
