"""Phase 5: the fused model's temperature, and the thresholds of its conformal sets.

Both come from the out-of-fold outputs that the head was fitted on. Heads fitted without each fold in turn would be
cleaner, and were no better where a head has a few dozen numbers (docs/evidence.md): so the head is fitted once.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from modalities.core.model.calibration import GRID, TEMPERATURE, THRESHOLDS, temperature_of
from modalities.core.model.conformal import N_BINS, thresholds_of
from server.phases.agreed import agreed_on
from server.phases.attendance import Attendance, able
from server.phases.model import head_by_owner, head_content
from server.phases.stopwatch import Stopwatch
from strategies.checks import CLASS_COUNTS, LOSSES, Holder, each_part, sums_part
from strategies.statistics import add_sums
from strategies.wire import SHARED, STUDY, Weights


def calibrate(sites: Attendance) -> None:
    """Phase 5: two exchanges of sums, the second with what came of the first.

    Raises:
        RuntimeError: no site sent anything that can be used, or one that the study waits for did not.
    """
    study = sites.study
    if study.federation.fusion.fit == "none":
        return  # nothing was held out to learn from
    sites.event = {"phase": "calibration"}
    watch, temperature, missing = Stopwatch(study), 1.0, set[str]()
    if sites.can_fuse():
        losses = {SHARED: {LOSSES: np.zeros(len(GRID))}}

        def temperature_losses(present: Sequence[Holder]) -> tuple[Weights, Collection[str]]:
            return _summed(sites, able(present), "query.calibration", losses, {})

        able_sites = study.able()
        summed, answered = sites.gather("calibration", sites.able_lacking, temperature_losses, able_sites)
        temperature, missing = temperature_of(summed[LOSSES]), able_sites - answered
    counts = {STUDY: {CLASS_COUNTS: np.zeros((study.federation.n_classes, N_BINS))}}

    def score_counts(present: Sequence[Holder]) -> tuple[Weights, Collection[str]]:
        return _summed(sites, present, "query.conformal", counts, {"temperature": temperature})

    known = {site for name in study.progress for site in study.holders(name)}
    summed, answered = sites.gather("calibration", _nobody, score_counts, known)
    study.calibration = {TEMPERATURE: np.array([temperature]), THRESHOLDS: thresholds_of(summed[CLASS_COUNTS])}
    watch.stop("calibration", answered=answered, missing=missing | known - answered)
    sites.options.step(study, {"phase": "calibration", "temperature": temperature})


def _nobody(present: Sequence[Holder]) -> dict[str, str]:
    return {} if present else {"*": "no site"}


def _summed(
    sites: Attendance,
    holders: Sequence[Holder],
    message_type: str,
    template: Mapping[str, Weights],
    sent: Mapping[str, Any],
) -> tuple[Weights, Collection[str]]:
    """Ask these sites for sums like those of the template: their total, and the sites that are in it."""
    (part,) = template
    agreed = agreed_on(sites, head_by_owner(sites.study))
    questions = [
        (
            Holder(holder.node_id, holder.site, {part: sum(holder.cohorts.values())}),
            head_content(sites.study, holder, {**sent, **agreed}),
        )
        for holder in holders
    ]
    answers = sites.ask(message_type, questions, each_part(sums_part(template)))
    sums = [(holder, parts[part]) for holder, parts in answers if part in parts]
    total, _ = add_sums([("", own) for _, own in sums], part)  # none is refused: every length is in the template
    return total, {site for holder, _ in sums for site in holder.sites(part)}
