"""Conformal sets of the fused model: how often they hold the true class, by site and by class, and their size."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from client.fusion import held_out_outputs, outputs_of
from client.study import ClientStudy
from modalities.core.calibration import TEMPERATURE, THRESHOLDS
from modalities.core.conformal import COVERAGE, own_thresholds, sets_of
from modalities.core.fusion.outputs import Outputs
from modalities.core.parts import modality_of
from modalities.core.predict import FittedModel
from modalities.core.store import SiteData, digest_of
from server.state import StudyState
from simulations.evidence.table import probabilities_of, rows_of
from simulations.metrics import MIN_CASES
from simulations.pooled import HeldOut
from simulations.predictions import FUSED

BySite = Mapping[str, tuple[Outputs, Tensor]]
"""Out-of-fold outputs of a site's training cases, and their labels."""
CONFORMAL_ARMS = ("federated", "centralised")


def outputs_by_site(study: StudyState, sites: Sequence[SiteData]) -> BySite:
    """As each site of a study has them: what it kept of the closing evaluation."""
    digests = {name: digest_of(state) for name, state in study.states.items()}
    found = {}
    for site in sites:
        weights = {part: own for part, own in study.weights.items() if modality_of(part) in site.modalities}
        kept = held_out_outputs(ClientStudy(site, study.states, digests), weights)
        if kept:
            found[site.site.name] = outputs_of(kept), torch.tensor(site.site.labels(list(site.folds.index)))
    return found


def pooled_by_site(held_out: HeldOut, sites: Sequence[SiteData]) -> BySite:
    """The pooled arm's, dealt out to the sites they came from."""
    owner = {case_id: site.site.name for site in sites for case_id in site.folds.index}
    names = np.array([owner[case_id] for case_id in held_out.case_ids])
    rows = {str(name): torch.from_numpy(np.flatnonzero(names == name)) for name in sorted(set(names))}
    return {name: (held_out.outputs.rows(own), held_out.labels[own]) for name, own in rows.items()}


def thresholds_by_site(model: FittedModel, by_site: BySite) -> dict[str, Any]:
    """Temperature, the thresholds that all sites share, and each site's own: plain values, kept beside the predictions.

    Empty for a model without calibration.
    """
    if THRESHOLDS not in model.calibration:
        return {}
    shared = model.calibration[THRESHOLDS]
    own = {
        name: own_thresholds(model.probabilities(outputs), labels.numpy(), shared).tolist()
        for name, (outputs, labels) in by_site.items()
    }
    return {"temperature": float(model.calibration[TEMPERATURE][0]), "shared": shared.tolist(), "sites": own}


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
