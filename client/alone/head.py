"""The fusion head of a model trained in one place, and its calibration: as a server finds them, from the cases here."""

from collections.abc import Sequence

import numpy as np

from client.alone.held_out import HeldOut, of_cases
from client.alone.pooled import pooled_counts
from modalities.core.fusion.evidence import Evaluation, Evidence, Question, class_weights, head_folds
from modalities.core.fusion.head import Parameters, head_named
from modalities.core.fusion.search import Search
from modalities.core.model.calibration import TEMPERATURE, THRESHOLDS, calibrated, losses_of, temperature_of
from modalities.core.model.conformal import score_counts, thresholds_of
from modalities.core.settings.federation import Federation
from modalities.core.site.store import SiteData


def head_search(federation: Federation, held_out: HeldOut, sites: Sequence[SiteData]) -> Search:
    """Fits heads on the out-of-fold outputs."""
    fusion = federation.fusion
    folds = of_cases(held_out.case_ids, [(site.listed.case_ids, site.listed.folds.tolist()) for site in sites])
    head_fold = head_folds(np.array(folds, dtype=np.int64), fusion)
    evidence = Evidence(held_out.outputs, held_out.labels, head_fold, sites[0].config.resources.device)
    weights = class_weights(pooled_counts(sites), fusion.class_weight_exponent)

    def ask(question: Question, parameters: Parameters) -> Evaluation:
        return evidence.answer(question, parameters, weights, fusion.modality_dropout)

    sizes = {name: own.shape[1] for name, own in held_out.outputs.embeddings.items()}
    return Search(fusion, federation.seed, sizes, federation.n_classes, ask)


def calibrate(name: str, parameters: Parameters, held_out: HeldOut) -> dict[str, np.ndarray]:
    """Temperature and conformal thresholds; none where no case is held out."""
    if not held_out.case_ids:
        return {}
    head, outputs, labels = head_named(name), held_out.outputs, held_out.labels
    losses, _ = losses_of(head, parameters, outputs, labels)
    calibration = {TEMPERATURE: np.array([temperature_of(losses)])}
    counts = score_counts(calibrated(head, parameters, calibration, outputs).numpy(), labels.numpy())
    return calibration | {THRESHOLDS: thresholds_of(counts)}
