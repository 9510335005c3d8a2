"""Checks a reply against what was asked: whose it is, which parts, shapes, types, finite numbers, honest counts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord

from strategies.wire import ARRAYS, METRICS, from_record, parts_in

NUM_EXAMPLES = "num-examples"
LOSS, HELD_OUT_N, HELD_OUT_LOSS = "loss-sum", "held-out-n", "held-out-loss-sum"
CLASS_COUNTS = "class-counts"


@dataclass(frozen=True)
class Refusal:
    """Something of a reply that was not used, and why, in words that name no case and quote no exception."""

    site: str
    part: str
    reason: str


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
        return [], [Refusal(asked.site, "*", f"the site reported error {reply.error.code}; its own log says more")]
    if reply.metadata.src_node_id != asked.node_id:
        return [], [Refusal(asked.site, "*", "the reply came from another node than the one asked")]
    sent = parts_in(reply.content)
    refused = [Refusal(asked.site, part, "not asked of this site") for part in sent if part not in asked.cohorts]
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
    if set(record) != set(template):
        return f"arrays named {sorted(set(record) ^ set(template))} are missing or unknown"
    for name, array in from_record(record).items():
        expected = template[name]
        if array.shape != expected.shape or array.dtype != expected.dtype:
            return f"{name} is {array.dtype}{list(array.shape)}, expected {expected.dtype}{list(expected.shape)}"
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            return f"{name} is not finite"
    if not all(isinstance(value, int | float) and np.isfinite(value) for value in metrics.values()):
        return "a metric is not a finite number"
    n = metrics.get(NUM_EXAMPLES)
    if not isinstance(n, int) or not 0 < n <= cohort:
        return f"{NUM_EXAMPLES} must be from 1 to the {cohort} cases announced"
    return ""
