"""What sites tell of their own cases in the clear, each as its policy says."""

from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from modalities.core.settings.site import problem_of_name
from server.phases.attendance import MOST_TRIES, Attendance
from server.phases.evaluation.scoring import agreed_on_model
from strategies.checks import MOST_CASES, Holder, Refusal, UnusableError
from strategies.evaluation.answers import own_of_nobody
from strategies.evaluation.names import Arrays
from strategies.evaluation.own import problem_of_own
from strategies.evaluation.wire import FULL, OWN_EVALUATION, POLICIES, SHARES
from strategies.wire import ARRAYS, CONFIG, STUDY, Weights, config_record, from_record

_Told = tuple[str, Weights]


def gather_told(sites: Attendance) -> None:
    """Ask the sites that have not told yet, a few times those that do not answer; each step is kept."""
    study = sites.study
    template = own_of_nobody(list(study.federation.modalities), study.federation.n_classes)
    agreed = config_record(agreed_on_model(sites))

    def read(holder: Holder, answer: RecordDict) -> tuple[_Told, list[Refusal]]:
        return told_in(answer, holder.site, template), []

    for _ in range(MOST_TRIES):
        known, there = study.evaluation.shares, sites.scored
        asked = [own for own in sites.present() if own.site in there and own.site not in known]
        if not asked:
            break
        questions = [(holder, RecordDict({CONFIG + STUDY: agreed})) for holder in asked]
        for holder, (shares, arrays) in sites.ask(OWN_EVALUATION, questions, read):
            study.evaluation.shares[holder.site] = shares
            if arrays:
                study.evaluation.told[holder.site] = arrays
        sites.options.step(study, sites.event)


def told_in(answer: RecordDict, site: str, template: Arrays) -> _Told:
    """What the site's policy lets out, and its own results if that is `full`.

    Raises:
        UnusableError: it says something else.
    """
    config = answer.get(CONFIG + STUDY)
    shares = config.get(SHARES) if isinstance(config, ConfigRecord) else None
    if shares not in POLICIES or problem_of_name(site):
        raise UnusableError("it did not say what it lets out of an evaluation, or its name is none")
    if shares != FULL:
        return str(shares), {}
    record = answer.get(ARRAYS + STUDY)
    if not isinstance(record, ArrayRecord):
        raise UnusableError("it lets out its own results, and sent none")
    arrays = from_record(record)
    if problem := problem_of_own(arrays, template, MOST_CASES):
        raise UnusableError(problem)
    return FULL, arrays
