"""Phase 5: the fused model's temperature, and the thresholds of its conformal sets.

Both come from the out-of-fold outputs that the head was fitted on. Heads fitted without each fold in turn would be
cleaner, and were no better where a head has a few dozen numbers (docs/evidence.md): so the head is fitted once.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from flwr.app import RecordDict

from modalities.core.model.calibration import GRID, TEMPERATURE, THRESHOLDS, temperature_of
from modalities.core.model.conformal import N_BINS, thresholds_of
from server.phases.attendance import Attendance, able
from server.phases.replies import note, query_all, sums_in
from server.state.study import StudyState
from strategies.checks import CLASS_COUNTS, LOSSES, Refusal
from strategies.exchange import Holder
from strategies.statistics import add_sums
from strategies.wire import ARRAYS, CONFIG, FUSION, SHARED, STUDY, config_record, to_record

Sums = dict[str, np.ndarray]


def calibrate(sites: Attendance) -> None:
    """Phase 5: two exchanges of sums, the second with what came of the first.

    Raises:
        RuntimeError: no site sent anything that can be used, or one that the study waits for did not.
    """
    study = sites.study
    if study.federation.fusion.fit == "none":
        return  # nothing was held out to learn from
    sites.event = {"phase": "calibration"}
    temperature = 1.0
    if any(len(own) > 1 for own in study.cohorts.values()):
        losses = {LOSSES: np.zeros(len(GRID))}

        def temperature_losses(present: Sequence[Holder]) -> tuple[Sums, Collection[str]]:
            return _summed(sites, able(present), "query.calibration", SHARED, losses, {})

        temperature = temperature_of(sites.ask("calibration", sites.able_lacking, temperature_losses)[LOSSES])
    counts = {CLASS_COUNTS: np.zeros((study.federation.n_classes, N_BINS))}

    def score_counts(present: Sequence[Holder]) -> tuple[Sums, Collection[str]]:
        return _summed(sites, present, "query.conformal", STUDY, counts, {"temperature": temperature})

    summed = sites.ask("calibration", _nobody, score_counts)
    study.calibration = {TEMPERATURE: np.array([temperature]), THRESHOLDS: thresholds_of(summed[CLASS_COUNTS])}
    sites.options.step(study, {"phase": "calibration", "temperature": temperature})


def _nobody(present: Sequence[Holder]) -> dict[str, str]:
    return {} if present else {"*": "no site"}


def _summed(
    sites: Attendance,
    holders: Sequence[Holder],
    message_type: str,
    part: str,
    template: Mapping[str, np.ndarray],
    sent: Mapping[str, float],
) -> tuple[Sums, Collection[str]]:
    """One exchange: what every site sent under `part`, checked and added up; and whose is in it."""
    study, found = sites.study, []
    contents = {holder.node_id: _content(study, holder, sent) for holder in holders}
    for holder, reply in query_all(sites.grid, study, holders, message_type, contents, sites.options):
        for _, arrays in sums_in(reply, holder, [part], study):
            if {name: array.shape for name, array in arrays.items()} == {n: a.shape for n, a in template.items()}:
                found.append((holder.site, arrays))
            else:
                note(study, [Refusal(holder.site, part, "other names or shapes than were asked for")])
    total, refused = add_sums(found, {holder.site: sum(holder.cohorts.values()) for holder in holders}, part)
    note(study, refused)
    return total, {site for site, _ in found} - {refusal.site for refusal in refused}


def _content(study: StudyState, holder: Holder, sent: Mapping[str, float]) -> RecordDict:
    """The fitted head, as far as it is of the site's modalities; none of it to a site with one."""
    content = RecordDict({CONFIG + STUDY: config_record({"head": study.head_name, **sent})})
    for owner in (*holder.cohorts, SHARED) if len(holder.cohorts) > 1 else ():
        own = {key.partition(".")[2]: array for key, array in study.head.items() if key.partition(".")[0] == owner}
        if own:
            content[ARRAYS + FUSION + owner] = to_record(own)
    return content
