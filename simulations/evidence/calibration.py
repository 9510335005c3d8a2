"""Is a confidence of 80 % right in 80 of 100 cases? Before the temperature and after it, for every SET."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from simulations.evidence.table import probabilities_of, rows_of
from simulations.scores.metrics import ECE_BINS, PerCase, bin_sums, confidence_bin, log_loss
from simulations.scores.predictions import COMPLETE, FUSED
from strategies.evaluation.ece import debiased_ece

CALIBRATED_ARMS = ("federated", "centralised")
Probabilities = Float[np.ndarray, "case class"]
Labels = Int[np.ndarray, " case"]


def calibration(
    predictions: pd.DataFrame,
    details: Mapping[str, Sequence[Mapping[str, Any]]],
    modalities: Sequence[str],
    n_classes: int,
) -> dict[str, Any]:
    """By arm: the temperature of each fold, and for every SET ECE, log loss and bins, before and after."""
    found = {}
    for arm in CALIBRATED_ARMS:
        by_fold = [fold.get("conformal") or {} for fold in details.get(arm, ())]
        if by_fold and all(by_fold) and "temperature" in predictions:
            tables = {name: rows_of(predictions, arm, name, modalities) for name in (COMPLETE, FUSED, *modalities)}
            sets = {name: _both_sides(table, n_classes) for name, table in tables.items() if len(table)}
            found[arm] = {"temperatures": [fold["temperature"] for fold in by_fold], "sets": sets}
    return found


def uncalibrated(probabilities: Probabilities, temperatures: PerCase) -> Probabilities:
    """What softmax(z / T) was before it was divided: softmax(z), which is p^T scaled to a sum of 1."""
    raised = np.maximum(probabilities, np.finfo(float).tiny) ** temperatures[:, None]
    return raised / raised.sum(axis=1, keepdims=True)


def reliability(probabilities: Probabilities, labels: Labels) -> dict[str, Any]:
    """ECE (as in `scores.metrics`), log loss, and per bin that has cases: confidence, share right, cases."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    places = confidence_bin(confidence)
    bins = [
        {"confidence": float(confidence[own].mean()), "right": float(right[own].mean()), "n": int(own.sum())}
        for own in (places == place for place in range(ECE_BINS))
        if own.any()
    ]
    cases, hits, sums = bin_sums(probabilities, labels, np.ones((1, len(labels))))
    ece = max(0.0, float(debiased_ece(cases, hits, sums)[0]))
    return {"ece": ece, "log_loss": log_loss(probabilities, labels), "bins": bins}


def _both_sides(rows: pd.DataFrame, n_classes: int) -> dict[str, Any]:
    after, labels = probabilities_of(rows, n_classes), rows["label"].to_numpy(int)
    temperatures = rows["temperature"].fillna(1.0).to_numpy(float)  # a branch's own output has none
    before = uncalibrated(after, temperatures)
    return {"n": len(rows), "before": reliability(before, labels), "after": reliability(after, labels)}
