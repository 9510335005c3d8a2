"""The sites' own models, for comparison: each trains on its own cases alone, and the model stays there."""

from collections import Counter

from flwr.app import ConfigRecord, RecordDict

from server.phases.attendance import MOST_TRIES, Attendance
from server.state.notes import WARNING
from strategies.checks import Holder, Refusal, UnusableError
from strategies.evaluation.wire import DONE, LOCAL_TRAINING, SECONDS
from strategies.wire import CONFIG, STUDY, config_record

_MOST_S, _SHARE = 60.0, 0.5
"""Seconds of training a message at most, and of the time that a site has for one: it also has to answer."""
MOST_SLICES = 2000
"""Messages that one site's own model may take: more than a day."""
GAVE_UP = "its own model is not done: it is not compared with one"


def train_alone(sites: Attendance) -> None:
    """Ask every site to go on with its own model until all are done, or give up on those that fail."""
    seconds = min(_MOST_S, _SHARE * sites.options.timeout)
    content = RecordDict({CONFIG + STUDY: config_record({SECONDS: seconds})})
    done: set[str] = set()
    failed: Counter[str] = Counter()
    for _ in range(MOST_SLICES):
        asked = [own for own in sites.present() if own.site not in done and failed[own.site] < MOST_TRIES]
        if not asked:
            break
        sites.event = {"phase": "evaluation", "training alone": [holder.site for holder in asked]}
        sites.tell()
        silent = {holder.site for holder in asked}
        for holder, is_done in sites.ask(LOCAL_TRAINING, [(holder, content) for holder in asked], _is_done):
            silent.discard(holder.site)
            done |= {holder.site} if is_done else set()
        failed.update(silent)
    for holder in sites.holders:
        if holder.site not in done:
            sites.note(WARNING, holder.site, "*", GAVE_UP)


def _is_done(holder: Holder, answer: RecordDict) -> tuple[bool, list[Refusal]]:
    del holder
    config = answer.get(CONFIG + STUDY)
    if not isinstance(config, ConfigRecord) or not isinstance(config.get(DONE), bool):
        raise UnusableError("it did not say whether its own model is done")
    return bool(config[DONE]), []
