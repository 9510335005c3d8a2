"""Conformal sets of the fused model: how often they hold the true class, by site and by class, and their size."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from modalities.core.model.conformal import COVERAGE, sets_of
from simulations.evidence.table import probabilities_of, rows_of
from simulations.scores.metrics import MIN_CASES
from simulations.scores.predictions import FUSED

CONFORMAL_ARMS = ("federated", "centralised")


def coverage(
    predictions: pd.DataFrame,
    details: Mapping[str, Sequence[Mapping[str, Any]]],
    modalities: Sequence[str],
    classes: Sequence[str],
) -> dict[str, Any]:
    """By arm: coverage and mean size with shared and with each site's own thresholds, of the fused test cases."""
    found = {}
    for arm in CONFORMAL_ARMS:
        by_fold = [fold.get("conformal") or {} for fold in details.get(arm, ())]
        rows = rows_of(predictions, arm, FUSED, modalities)
        if by_fold and all(by_fold) and len(rows):
            found[arm] = _coverage(rows, by_fold, classes)
    return found


def _coverage(rows: pd.DataFrame, by_fold: Sequence[Any], classes: Sequence[str]) -> dict[str, Any]:
    probabilities, labels = probabilities_of(rows, len(classes)), rows["label"].to_numpy(int)
    pairs = list(zip(rows["fold"], rows["site"], strict=True))
    shared = sets_of(probabilities, np.array([by_fold[fold - 1]["shared"] for fold, _ in pairs]))
    thresholds = [by_fold[fold - 1]["sites"].get(site, by_fold[fold - 1]["shared"]) for fold, site in pairs]
    own = sets_of(probabilities, np.array(thresholds))
    sites, everyone = rows["site"].to_numpy(), np.ones(len(rows), dtype=bool)
    return {
        "target": COVERAGE,
        "overall": _group(everyone, shared, own, labels),
        "by_site": {str(site): _group(sites == site, shared, own, labels) for site in sorted(set(sites))},
        "by_class": {name: _group(labels == index, shared, own, labels) for index, name in enumerate(classes)},
        "sizes": np.bincount(shared.sum(axis=1), minlength=len(classes) + 1).tolist(),
        "right_alone": _right_alone(shared, labels),
    }


def _group(
    chosen: Bool[np.ndarray, " case"],
    shared: Bool[np.ndarray, "case class"],
    own: Bool[np.ndarray, "case class"],
    labels: Int[np.ndarray, " case"],
) -> dict[str, Any]:
    """Coverage and mean size of some cases; None where there are too few to say."""
    n, found = int(chosen.sum()), {}
    for name, sets in (("shared", shared), ("own", own)):
        hit, size = sets[np.arange(len(labels)), labels][chosen], sets.sum(axis=1)[chosen]
        enough = n >= MIN_CASES
        found[name] = {
            "coverage": float(hit.mean()) if enough else None,
            "size": float(size.mean()) if enough else None,
        }
    return {"n": n, **found}


def _right_alone(sets: Bool[np.ndarray, "case class"], labels: Int[np.ndarray, " case"]) -> float | None:
    """Of the sets with one class, the share that is the right one."""
    alone = sets.sum(axis=1) == 1
    return float(sets[np.arange(len(labels)), labels][alone].mean()) if alone.sum() >= MIN_CASES else None
