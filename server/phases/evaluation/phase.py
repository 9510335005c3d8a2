"""Phase 6 from its beginning to its end."""

from server.phases.attendance import Attendance
from server.phases.evaluation.alone import train_alone
from server.phases.evaluation.sums import gather_tallies
from server.phases.evaluation.told import gather_told
from server.phases.stopwatch import Stopwatch
from server.state.notes import INFO, WARNING

UNACCOUNTED = "not evaluated: this study keeps an epsilon, which does not account for an evaluation"
NOBODY = "not evaluated: every site refused to score the finished model, or failed; their own logs say why"


def evaluate_model(sites: Attendance) -> None:
    """Let every site score the finished model beside its own, and gather what its policy lets out.

    What stands is not asked again; sites that were started anew are sent the model again.

    Raises:
        RuntimeError: too few sites are there, or answered; what was done before is kept.
    """
    study = sites.study
    if study.evaluation.done or not sites.options.evaluates:
        return
    sites.event = {"phase": "evaluation"}
    if study.federation.privacy.epsilon:
        sites.note(INFO, "*", "*", UNACCOUNTED)
        return
    watch = Stopwatch(study)
    if study.federation.evaluation.local and sites.options.trains_alone and not study.evaluation.sums:
        train_alone(sites)
    sites.event = {"phase": "evaluation"}
    asked = sites.begin_evaluation()
    if asked and not sites.scored:
        sites.note(WARNING, "*", "*", NOBODY)
        return
    gather_tallies(sites)
    gather_told(sites)
    study.evaluation.external = sorted(site for site in study.evaluation.shares if site in sites.evaluators)
    study.evaluation.done = True
    watch.stop("evaluation")
    sites.options.step(study, sites.event)
