"""What a node keeps of the evaluation from message to message, in Flower's context."""

import json
from collections.abc import Mapping

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message
from jaxtyping import Int

from client.evaluation.scored import BySet
from client.study.asked import config_of
from client.study.kept import DIGEST
from client.study.session import SETTINGS
from client.study.settled import NotSettledError, settled_federation
from strategies.evaluation.answers import Scored, ScoredCases
from strategies.evaluation.names import CASES, LOCAL, SENT
from strategies.masked_exchange.wire import AGREED
from strategies.wire import STUDY, from_record, record_of, to_record

_SCORED, _PARTS, _ALIKE = "scored.", "model.parts", "model.alike"
_LABELS, _DIGEST = "labels", "digest"


def keep_scores(context: Context, cases: str, model: str, labels: Int[np.ndarray, " case"], by_set: BySet) -> None:
    """Keep what a model says of these cases, which are in one order for all models."""
    context.state[_key(cases, model)] = to_record({_LABELS: labels, **by_set})


def has_own_scores(context: Context) -> bool:
    """Whether those of the site's own model are kept."""
    return any(_key(cases, LOCAL) in context.state for cases in CASES)


def keep_model(context: Context, digests: Mapping[str, str], alike: str) -> None:
    """Remember which model it was: the digest of each part that came, and of what came to all sites alike."""
    context.state[_PARTS] = ConfigRecord(dict(digests))
    context.state[_ALIKE] = ConfigRecord({_DIGEST: alike})


def scores_kept(message: Message, context: Context) -> ScoredCases:
    """What the models say of this site's cases.

    Under masks, the label of the sum that follows is made of what came to all sites alike, so that the masks of a site
    that was sent something else do not cancel.

    Raises:
        NotSettledError: nothing was scored in this run, as after a restart.
        ValueError: under masks, other parts came here than the message says that all sites have.
    """
    if _PARTS not in context.state:
        raise NotSettledError("no finished model in this run yet: the server sends it first")
    federation = settled_federation(context)
    if federation is not None and federation.privacy.is_masked:
        _check_agreed(message, dict(record_of(context.state, _PARTS, ConfigRecord)))
        alike = record_of(context.state, _ALIKE, ConfigRecord)[_DIGEST]
        record_of(context.state, SETTINGS, ConfigRecord)[f"{DIGEST}{STUDY}"] = alike
    return {(cases, of): own for cases in CASES for of, own in _scored(context, cases).items()}


def _check_agreed(message: Message, parts: Mapping[str, object]) -> None:
    agreed = json.loads(str(config_of(message, STUDY)[AGREED]))
    if unlike := [part for part, digest in parts.items() if agreed.get(part) != digest]:
        raise ValueError(f"{', '.join(unlike)}: another model was scored than the message says that all sites scored")


def _scored(context: Context, cases: str) -> dict[str, Scored]:
    """By SET."""
    kept = {
        model: from_record(record_of(context.state, key, ArrayRecord))
        for model in SENT
        if (key := _key(cases, model)) in context.state
    }
    sets = dict.fromkeys(name for own in kept.values() for name in own if name != _LABELS)
    labels = next((own[_LABELS] for own in kept.values()), np.zeros(0, dtype=np.int64))
    return {of: Scored(labels, {model: own[of] for model, own in kept.items() if of in own}) for of in sets}


def _key(cases: str, model: str) -> str:
    return f"{_SCORED}{cases}.{model}"
