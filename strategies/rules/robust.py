"""Robust rules: how many sites they need, and what they make of the replies to one part."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from flwr.app import ArrayRecord, Message, RecordDict

from modalities.core.settings.training import Federated
from strategies.exchange import with_content
from strategies.rules.build import build_robust
from strategies.streaming import as_type
from strategies.wire import Weights, from_record, record_of, to_record

_LEAST_FOR_MEDIAN = 3


def least_sites(settings: Federated) -> int:
    """How many sites the robust rule needs; 1 where there is none.

    The median of two is their mean; trimming must drop a site at each end and keep one, with n sites dropping
    floor(trim_share n) at each; Krum's guarantee holds from 2 f + 3 sites on, f of them hostile (arXiv:1703.02757).
    """
    rule = settings.robust_rule
    if rule == "fedmedian":
        return _LEAST_FOR_MEDIAN
    if rule == "fedtrimmedavg":
        about = math.floor(1 / settings.trim_share)
        return next(n for n in range(max(3, about), about + 3) if int(settings.trim_share * n) >= 1)
    return 2 * settings.n_hostile + 3 if rule else 1


def shortage(settings: Federated, n_sites: int) -> str:
    """Why the rule cannot run on this many sites; empty if it can."""
    least = least_sites(settings)
    if n_sites >= least:
        return ""
    what = {
        "fedmedian": "for a median that differs from the mean",
        "fedtrimmedavg": f"to leave one out at each end (trim_share {settings.trim_share})",
    }.get(settings.robust_rule, f"to withstand {settings.n_hostile} hostile (n_hostile)")
    return f"{settings.robust_rule} needs at least {least} sites {what}, and has {n_sites}"


def too_few(settings: Federated, n_sites: int) -> str:
    """Why a round does not count with this many sites; empty if it does."""
    if n_sites < settings.min_holders:
        return f"{n_sites} of the at least {settings.min_holders} sites that min_holders asks for"
    return shortage(settings, n_sites) if settings.robust_rule else ""


def robust_centre(settings: Federated, before: Mapping[str, np.ndarray], replies: Sequence[Message]) -> Weights:
    """What the stock rule makes of the replies, in the names, order and types of the weights before.

    The rule gets copies of the updates (weights minus those before) in float64: none of these rules minds the shift,
    and Krum's distances between nearly equal weights would be lost in rounding. The median, the trimmed mean and Krum
    count every site once, however many cases it says it has.
    """
    updates = [with_content(reply, _update(reply.content, before)) for reply in replies]
    found, _ = build_robust(settings, len(updates)).aggregate_train(1, updates)
    if found is None:
        return dict(before)
    return {name: as_type(array + found[name].numpy(), array.dtype) for name, array in before.items()}


def _update(content: RecordDict, before: Mapping[str, np.ndarray]) -> RecordDict:
    sent = from_record(record_of(content, "arrays", ArrayRecord))
    update = {name: np.subtract(sent[name], array, dtype=np.float64) for name, array in before.items()}
    return RecordDict({"arrays": to_record(update), "metrics": content["metrics"]})
