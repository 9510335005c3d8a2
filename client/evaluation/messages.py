"""The messages of the evaluation phase; strategies/evaluation/wire.py says what they hold."""

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict

from client.evaluation.kept import has_own_scores, scores_kept
from client.evaluation.scoring import has_own, score_final, score_own
from client.masking.agreed import check_agreed
from client.study.asked import arrays_in, config_of
from client.study.kept import study_of
from client.study.policy import seconds_asked, temperature_asked
from modalities.core.settings.site import FULL
from strategies.evaluation.answers import counted, own_answer, tallied, tallies_of_nobody
from strategies.evaluation.names import Arrays
from strategies.evaluation.wire import DONE, SHARES
from strategies.wire import ARRAYS, CONFIG, STUDY, from_record, record_of, to_record


def train_alone(message: Message, context: Context) -> Message:
    """Go on with the site's own model; whether it is done, or there is none to train."""
    study, seconds = study_of(context), seconds_asked(config_of(message, STUDY))
    is_done = not has_own(study) or has_own_scores(context) or score_own(study, context, seconds)
    return Message(RecordDict({CONFIG + STUDY: ConfigRecord({DONE: is_done})}), reply_to=message)


def score(message: Message, context: Context) -> Message:
    """Score this site's cases with the finished model, and with its own; nothing of that leaves yet."""
    study, config = study_of(context), config_of(message, STUDY)
    check_agreed(message, context)
    score_final(study, context, arrays_in(message, study.data), str(config["head"]), temperature_asked(config))
    if has_own(study) and study.home:  # after a restart it is on the disk only
        score_own(study, context, 0.0)
    return Message(RecordDict(), reply_to=message)


def evaluable(message: Message, context: Context) -> Message:
    """Under masks: how many cases each model can score, by class.

    Raises:
        ValueError: the study's settings want no masks: then they leave with the tallies, if the policy lets them.
    """
    federation, scored = study_of(context).federation, scores_kept(message, context)
    if not federation.privacy.is_masked:
        raise ValueError("how many cases can be scored is asked for under masks only")
    return _reply(message, counted(scored, list(federation.modalities), federation.n_classes))


def evaluate(message: Message, context: Context) -> Message:
    """Tallies of what the models say, to be summed with those of other sites; zeros of what the policy keeps here."""
    study, scored = study_of(context), scores_kept(message, context)
    modalities, n_classes, policy = (
        list(study.federation.modalities),
        study.federation.n_classes,
        study.data.config.policy,
    )
    if study.federation.privacy.is_masked:
        totals = from_record(record_of(message.content, ARRAYS + STUDY, ArrayRecord))
    elif policy.evaluation == FULL:
        totals = counted(scored, modalities, n_classes)
    else:
        return _reply(message, tallies_of_nobody(modalities, n_classes))
    return _reply(message, tallied(scored, modalities, n_classes, policy.min_cell, totals))


def tell_own(message: Message, context: Context) -> Message:
    """What the policy lets out in the clear; with `full`, this site's own AUROCs and gains."""
    study, scored = study_of(context), scores_kept(message, context)
    federation, policy = study.federation, study.data.config.policy
    reply = RecordDict({CONFIG + STUDY: ConfigRecord({SHARES: policy.evaluation})})
    if policy.evaluation == FULL:
        own = own_answer(scored, list(federation.modalities), federation.n_classes, policy.min_cell)
        reply[ARRAYS + STUDY] = to_record(own)
    return Message(reply, reply_to=message)


def _reply(message: Message, arrays: Arrays) -> Message:
    return Message(RecordDict({ARRAYS + STUDY: to_record(arrays)}), reply_to=message)
