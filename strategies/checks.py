"""Checks a reply against what was asked: whose it is, which parts, shapes, types, finite numbers, honest counts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord

from strategies.wire import ARRAYS, METRICS, parts_in

NUM_EXAMPLES = "num-examples"
LOSS, HELD_OUT_N, HELD_OUT_LOSS = "loss-sum", "held-out-n", "held-out-loss-sum"
CLASS_COUNTS = "class-counts"
LOSSES = "losses"
LONGEST_NAME = 40


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
