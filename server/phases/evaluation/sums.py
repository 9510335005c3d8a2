"""Tallies of the model on all sites' cases, as sums."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from flwr.app import RecordDict

from server.phases.attendance import Attendance
from server.phases.evaluation.scoring import agreed_on_model
from server.state.notes import WARNING
from strategies.checks import MOST_CASES, Holder, UnusableError, each_part, sums_part
from strategies.evaluation.answers import counts_of_nobody, problem_of_tallies, tallies_of_nobody
from strategies.evaluation.names import Arrays
from strategies.evaluation.wire import EVALUABLE, EVALUATION
from strategies.statistics import add_sums
from strategies.wire import ARRAYS, CONFIG, STUDY, config_record, to_record

NOTHING_SHARED = (
    "no site lets out how good the model is: under masks `policy.evaluation: sums` lets out sums, without masks only "
    "`full` does"
)


def gather_tallies(sites: Attendance) -> None:
    """Under masks first how many cases there are, then tallies; each stands in the checkpoint and is not asked again.

    Raises:
        RuntimeError: too few sites answered.
    """
    study, modalities = sites.study, list(sites.study.federation.modalities)
    n_classes = study.federation.n_classes
    if sites.keyring is not None and not study.evaluation.counts:
        template = counts_of_nobody(modalities, n_classes)
        study.evaluation.counts = _summed(sites, EVALUABLE, template, {})
        sites.options.step(study, sites.event)
    if not study.evaluation.sums:
        template = tallies_of_nobody(modalities, n_classes)
        study.evaluation.sums = _summed(sites, EVALUATION, template, study.evaluation.counts)
        if not any(array.any() for array in study.evaluation.sums.values()):
            sites.note(WARNING, "*", "*", NOTHING_SHARED)
        sites.options.step(study, sites.event)


def _summed(sites: Attendance, message_type: str, template: Arrays, sent: Mapping[str, np.ndarray]) -> Arrays:
    """The sum of what the sites that scored the model answer."""
    content = RecordDict({CONFIG + STUDY: config_record(agreed_on_model(sites))})
    if sent:
        content[ARRAYS + STUDY] = to_record(sent)
    read_sums = sums_part({STUDY: template})

    def read(answer: RecordDict, part: str, n_cases: int) -> Arrays:
        arrays = read_sums(answer, part, n_cases)
        if problem := problem_of_tallies(arrays, n_cases):
            raise UnusableError(problem)
        return arrays

    def exchange(present: Sequence[Holder]) -> tuple[Arrays, Collection[str]]:
        asked = [Holder(own.node_id, own.site, {STUDY: MOST_CASES}) for own in present if own.site in sites.scored]
        questions = [(holder, RecordDict(dict(content))) for holder in asked]
        sums = [(own, parts[STUDY]) for own, parts in sites.ask(message_type, questions, each_part(read)) if parts]
        total, _ = add_sums([("", own) for _, own in sums], STUDY)  # none is refused: the template has every length
        return total, {site for holder, _ in sums for site in holder.sites(STUDY)}

    return sites.gather("evaluation", lambda present: _too_few(sites, present), exchange)[0]


def _too_few(sites: Attendance, present: Sequence[Holder]) -> dict[str, str]:
    least = sites.study.federation.privacy.least_sites if sites.keyring else 1
    n_sites = len(present)
    return {} if n_sites >= least else {"*": f"{n_sites} of at least {least} sites to evaluate the model"}
