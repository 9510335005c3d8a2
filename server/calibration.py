"""Phase 5: the fused model's temperature, and the thresholds of its conformal sets.

Both come from the out-of-fold outputs that the head was fitted on. Heads fitted without each fold in turn would be
cleaner, and were no better where a head has a few dozen numbers (docs/evidence.md): so the head is fitted once.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from flwr.app import RecordDict
from flwr.serverapp import Grid

from modalities.core.calibration import GRID, TEMPERATURE, THRESHOLDS, temperature_of
from modalities.core.conformal import N_BINS, thresholds_of
from server.handshake import note, query_all, sums_in
from server.options import Options
from server.state import StudyState
from strategies.checks import CLASS_COUNTS, LOSSES, Refusal
from strategies.exchange import Holder
from strategies.statistics import add_sums
from strategies.wire import ARRAYS, CONFIG, FUSION, SHARED, STUDY, config_record, to_record


def calibrate(grid: Grid, study: StudyState, holders: Sequence[Holder], options: Options) -> None:
    """Phase 5: two exchanges of sums, the second with what came of the first."""
    if study.federation.fusion.fit == "none":
        return  # nothing was held out to learn from
    able = [holder for holder in holders if len(holder.cohorts) > 1]
    temperature = 1.0
    if able:
        losses = {LOSSES: np.zeros(len(GRID))}
        summed = _summed(grid, study, able, "query.calibration", SHARED, losses, {}, options)
        temperature = temperature_of(summed[LOSSES])
    counts = {CLASS_COUNTS: np.zeros((study.federation.n_classes, N_BINS))}
    sent = {"temperature": temperature}
    summed = _summed(grid, study, holders, "query.conformal", STUDY, counts, sent, options)
    study.calibration = {TEMPERATURE: np.array([temperature]), THRESHOLDS: thresholds_of(summed[CLASS_COUNTS])}
    options.step(study, {"phase": "calibration", "temperature": temperature})


def _summed(
    grid: Grid,
    study: StudyState,
    holders: Sequence[Holder],
    message_type: str,
    part: str,
    template: Mapping[str, np.ndarray],
    sent: Mapping[str, float],
    options: Options,
) -> dict[str, np.ndarray]:
    """One exchange: what every site sent under `part`, checked and added up.

    Raises:
        RuntimeError: no site sent anything that can be used.
    """
    contents = {holder.node_id: _content(study, holder, sent) for holder in holders}
    found = []
    for holder, reply in query_all(grid, study, holders, message_type, contents, options):
        for _, arrays in sums_in(reply, holder, [part], study):
            if {name: array.shape for name, array in arrays.items()} == {n: a.shape for n, a in template.items()}:
                found.append((holder.site, arrays))
            else:
                note(study, [Refusal(holder.site, part, "other names or shapes than were asked for")])
    total, refused = add_sums(found, {holder.site: sum(holder.cohorts.values()) for holder in holders}, part)
    note(study, refused)
    if not total:
        raise RuntimeError("calibration: no site sent a usable reply; resume once the sites are back")
    return total


def _content(study: StudyState, holder: Holder, sent: Mapping[str, float]) -> RecordDict:
    """The fitted head, as far as it is of the site's modalities; none of it to a site with one."""
    content = RecordDict({CONFIG + STUDY: config_record({"head": study.head_name, **sent})})
    for owner in (*holder.cohorts, SHARED) if len(holder.cohorts) > 1 else ():
        own = {key.partition(".")[2]: array for key, array in study.head.items() if key.partition(".")[0] == owner}
        if own:
            content[ARRAYS + FUSION + owner] = to_record(own)
    return content
