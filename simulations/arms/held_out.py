"""Out-of-fold outputs of an arm, site by site, and the conformal thresholds drawn from them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from client.alone.held_out import HeldOut
from client.study.fusion import held_out_outputs, outputs_of
from client.study.session import ClientStudy
from modalities.core.fusion.outputs import Outputs
from modalities.core.model.calibration import TEMPERATURE, THRESHOLDS
from modalities.core.model.conformal import own_thresholds
from modalities.core.model.predict import FittedModel
from modalities.core.parts import modality_of
from modalities.core.site.store import SiteData, digest_of
from server.state.study import StudyState

BySite = Mapping[str, tuple[Outputs, Tensor]]
"""Out-of-fold outputs of a site's training cases, and their labels."""


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
