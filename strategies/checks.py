"""Checks a reply against what was asked: whose it is, which parts, shapes, types, finite numbers, honest counts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from flwr.app import ArrayRecord, Error, Message, MetricRecord

from strategies.wire import ARRAYS, METRICS, parts_in

NUM_EXAMPLES = "num-examples"
LOSS, HELD_OUT_N, HELD_OUT_LOSS = "loss-sum", "held-out-n", "held-out-loss-sum"
CLASS_COUNTS = "class-counts"
LOSSES = "losses"
LONGEST_NAME = 40
NO_SETTINGS, UNAVAILABLE = 101, 5
"""Codes of errors: Tessera's own for a site that lacks what it was sent before in this run, as after a restart, and
Flower's for a node that is not connected (flwr.common.constant.ErrorCode, as are those below)."""
NOT_APPROVED = "bundle not approved"
"""The reason that a site gives with code 2 where nobody there has approved the code."""

NO_REPLY = "no reply before the deadline"
_MEANINGS: Mapping[int, str] = {
    1: "the site could not load the code: does it have the coordinator's version of Tessera?",
    2: "the site reported a failure; its own log says more",
    3: NO_REPLY,
    4: NO_REPLY,
    UNAVAILABLE: "away: not connected; it is asked again once it is back",
    7: "the site refused the code: does it have the coordinator's version of Tessera?",
    8: "the site's process died, perhaps for want of memory; its own log says more",
    NO_SETTINGS: "it was started anew and lacks what it was sent in this run; it gets that again",
}


@dataclass(frozen=True)
class Refusal:
    """Something of a reply that was not used, and why, in words that name no case and quote no exception."""

    site: str
    part: str
    reason: str
    code: int = 0
    """Of the error that the site, or Flower for it, replied with; 0 where that was none."""


def refusal_of(site: str, error: Error) -> Refusal:
    """An error reply in plain words; what it says itself is not quoted."""
    unknown = f"the site reported error {error.code}; its own log says more"
    reason = _MEANINGS.get(error.code, unknown)
    if error.reason == NOT_APPROVED:
        reason = "the site has not approved this code; it runs `tessera-client trust`"
    return Refusal(site, "*", reason, error.code)


@dataclass(frozen=True)
class Asked:
    """What one site was asked for."""

    site: str
    node_id: int
    cohorts: Mapping[str, int]
    """Part -> the cases that the site said it has; the keys are the parts asked for."""


Template = Mapping[str, Mapping[str, np.ndarray]]
"""Part -> the arrays whose names, shapes and types a reply must repeat."""


def accepted_parts(reply: Message, asked: Asked, template: Template) -> tuple[list[str], list[Refusal]]:
    """The parts of the reply that can be used, and a refusal for everything that cannot."""
    if reply.has_error():
        return [], [refusal_of(asked.site, reply.error)]
    if reply.metadata.src_node_id != asked.node_id:
        return [], [Refusal(asked.site, "*", "the reply came from another node than the one asked")]
    sent = parts_in(reply.content)
    strange = [part for part in sent if part not in asked.cohorts]
    refused = [Refusal(asked.site, part[:LONGEST_NAME], "not asked of this site") for part in strange]
    good = []
    for part in asked.cohorts:
        reason = (
            _problem(reply, part, asked.cohorts[part], template[part]) if part in sent else "missing from the reply"
        )
        if reason:
            refused.append(Refusal(asked.site, part, reason))
        else:
            good.append(part)
    return good, refused


def _problem(reply: Message, part: str, cohort: int, template: Mapping[str, np.ndarray]) -> str:
    """Why the part cannot be used; empty if it can."""
    record, metrics = reply.content.get(ARRAYS + part), reply.content.get(METRICS + part)
    if not isinstance(record, ArrayRecord) or not isinstance(metrics, MetricRecord):
        return "no arrays or no metrics"
    if record.keys() != template.keys():
        wrong = [name[:LONGEST_NAME] for name in sorted(set(record) ^ set(template))]
        return f"arrays named {wrong[:3]} are missing or unknown"
    return _problem_of_arrays(record, template) or _problem_of_metrics(metrics, cohort)


def _problem_of_arrays(record: ArrayRecord, template: Mapping[str, np.ndarray]) -> str:
    arrays, unreadable = readable_arrays(record)
    if unreadable:
        return unreadable
    for name, array in arrays.items():
        expected = template[name]
        if array.shape != expected.shape or array.dtype != expected.dtype:
            return f"{name} is {array.dtype}{list(array.shape)}, expected {expected.dtype}{list(expected.shape)}"
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f"{name} is not finite"
    return ""


def readable_arrays(record: ArrayRecord) -> tuple[dict[str, np.ndarray], str]:
    """The arrays by name, and which of them is none: its bytes are whatever the sender liked."""
    arrays = {}
    for name, sent in record.items():
        try:
            arrays[name] = sent.numpy()
        except Exception:  # NumPy's reader promises no particular one for bytes that it did not write
            arrays[name] = None
        if not isinstance(arrays[name], np.ndarray):
            return {}, f"{name[:LONGEST_NAME]} cannot be read as an array"
    return arrays, ""


def _problem_of_metrics(metrics: MetricRecord, cohort: int) -> str:
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in metrics.values()):
        return "a metric is not a finite number"
    for name in (NUM_EXAMPLES, HELD_OUT_N):
        n = metrics.get(name, 0 if name == HELD_OUT_N else None)
        if not isinstance(n, int) or not 0 <= n <= cohort:
            return f"{name} must be from 0 to the {cohort} cases announced"
    if any(metrics.get(name, 0) < 0 for name in (LOSS, HELD_OUT_LOSS)):  # pyright: ignore[reportOperatorIssue]
        return "a loss is negative"
    return ""
