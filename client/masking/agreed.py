"""That all sites answer for the same model: else the sum over many is an answer of the one that has another."""

import json
from collections.abc import Mapping

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message

from client.study.settled import settled_federation
from modalities.core.parts import modality_of
from strategies.masked_exchange.wire import AGREED, BRANCHES, digest_of_arrays, digest_of_branches
from strategies.wire import ARRAYS, CONFIG, STUDY, from_record, parts_in, record_of

_CLOSING = "closing"


def check_agreed(message: Message, context: Context) -> None:
    """Nothing without masks; with them, that this site's branches and head are those that the message says all have.

    Raises:
        ValueError: it was sent others.
    """
    if not _is_masked(context):
        return
    agreed = json.loads(str(record_of(message.content, CONFIG + STUDY, ConfigRecord)[AGREED]))
    here = {f"{BRANCHES}{name}": digest for name, digest in _closing(context).items()}
    for part in parts_in(message.content):
        here[part] = digest_of_arrays(from_record(record_of(message.content, ARRAYS + part, ArrayRecord)))
    if unlike := [name for name, digest in here.items() if agreed.get(name) != digest]:
        raise ValueError(f"{', '.join(unlike)}: other weights than the message says that all sites have")


def keep_closing(context: Context, weights: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Keep, under masks, by modality the digest of the branches whose outputs this site keeps; `weights` is by part."""
    if not _is_masked(context):
        return
    names = dict.fromkeys(modality_of(part) for part in weights)
    digests = {name: digest_of_branches(weights, name) for name in names}
    context.state[_CLOSING] = ConfigRecord({**_closing(context), **digests})  # pyright: ignore[reportArgumentType]


def _is_masked(context: Context) -> bool:
    federation = settled_federation(context)
    return federation is not None and federation.privacy.is_masked


def _closing(context: Context) -> dict[str, str]:
    if _CLOSING not in context.state:
        return {}
    return {name: str(value) for name, value in record_of(context.state, _CLOSING, ConfigRecord).items()}
