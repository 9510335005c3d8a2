"""Probabilities of a site's cases by a model: of those kept from training, and out of fold of those trained on."""

from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Bool, Float

from client.alone.held_out import HeldOut
from modalities.core.fusion.outputs import Outputs
from modalities.core.model.predict import FittedModel, by_branch
from modalities.core.site.store import SiteData
from strategies.evaluation.names import COMPLETE, FUSED

BySet = dict[str, Float[np.ndarray, "case class"]]
"""SET -> probabilities; NaN for a case that is not in it, or of which the model says nothing."""


def of_tests(model: FittedModel, data: SiteData) -> BySet:
    """Of the labelled cases that no training uses, in the order of `SiteData.tested`; nothing where there is none."""
    cases, case_ids = {name: data.tests(name) for name in data.modalities}, list(data.tested.index)
    if not case_ids:
        return {}
    complete = _complete(data, case_ids, [found.case_ids for found in cases.values()])
    return _by_set(model, model.outputs(cases, case_ids), complete)


def of_training(model: FittedModel, data: SiteData, held_out: HeldOut) -> BySet:
    """Of the labelled training cases, in the order of `SiteData.listed`, as the copies say that never saw them."""
    if not held_out.case_ids:
        return {}
    complete = _complete(data, held_out.case_ids, [data.training_cases(name) for name in data.modalities])
    found = _by_set(model, held_out.outputs, complete)
    position = {case_id: row for row, case_id in enumerate(data.listed.case_ids)}
    places = [position[case_id] for case_id in held_out.case_ids]
    placed = {name: np.full((len(position), own.shape[1]), np.nan) for name, own in found.items()}
    for name, own in found.items():
        placed[name][places] = own
    return placed


def _by_set(model: FittedModel, outputs: Outputs, complete: Bool[np.ndarray, " case"]) -> BySet:
    """By each branch alone; and fused and calibrated, of all cases and of the `complete` ones."""
    fused = model.probabilities(outputs)
    return {**by_branch(outputs), FUSED: fused, COMPLETE: np.where(complete[:, None], fused, np.nan)}


def _complete(data: SiteData, case_ids: Sequence[str], holders: Sequence[Collection[str]]) -> Bool[np.ndarray, " case"]:
    """Which of the cases hold every modality of the study; `holders` are the cases of those that the site has."""
    if len(holders) < len(data.federation.modalities):
        return np.zeros(len(case_ids), dtype=bool)
    every = set.intersection(*(set(own) for own in holders))
    return np.array([case_id in every for case_id in case_ids])
