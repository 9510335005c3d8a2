"""Checks a reply against what was asked: which parts, names, shapes, types, finite numbers, honest counts.

Whatever a site sends is either used or refused, with the site's name: never an exception that ends the study.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

import numpy as np
from flwr.app import ArrayRecord, Error, MetricRecord, RecordDict

from strategies.flower.log import log
from strategies.sizes import largest, root_mean_square, squares
from strategies.wire import ARRAYS, METRICS, Weights, parts_in

NUM_EXAMPLES = "num-examples"
LOSS, HELD_OUT_N, HELD_OUT_LOSS = "loss-sum", "held-out-n", "held-out-loss-sum"
CLASS_COUNTS = "class-counts"
LOSSES = "losses"
LONGEST_NAME, MOST_NAMED = 40, 3
"""Characters, and names, that are repeated of what a site sent and nobody asked for; the rest is counted."""
MOST_CASES = 1_000_000
"""Cases that a site may announce: more than any hospital's register, and too few for one site to drown all others."""
MOST_A_CASE = 1e9
"""Loss, or slope of the loss, that a case may have; a wrong guess at the least probability of float64 costs 745."""
LARGEST_MOVE = 1000.0
"""How far a round may move a part's weights, root mean square: so many times that of the weights themselves plus 1."""
LARGEST_SUM = 1e100
"""Of a shared statistic: its square, and the sum over all sites, are still far from infinite."""

NO_SETTINGS, UNAVAILABLE = 101, 5
"""Codes of errors: Tessera's own for a site that lacks what it was sent before in this run, as after a restart, and
Flower's for a node that is not connected (flwr.common.constant.ErrorCode, as are those below)."""
UNREADABLE_REPLY, TOO_LARGE = 102, 103
"""Tessera's own for a reply that is no message, and for one far larger than its question (strategies/flower)."""
NOT_APPROVED = "bundle not approved"
"""The reason that a site gives with code 2 where nobody there has approved the code."""

NO_REPLY = "no reply before the deadline"
AWAY = "away: not connected; it is asked again once it is back"
OTHER_NODE = "the reply came from another node than the one asked"
UNREADABLE = "it cannot be read"
_MEANINGS: Mapping[int, str] = {
    1: "the site could not load the code: does it have the coordinator's version of Tessera?",
    2: "the site reported a failure; its own log says more",
    3: NO_REPLY,
    4: NO_REPLY,
    UNAVAILABLE: AWAY,
    7: "the site refused the code: does it have the coordinator's version of Tessera?",
    8: "the site's process died, perhaps for want of memory; its own log says more",
    UNREADABLE_REPLY: UNREADABLE,
    TOO_LARGE: "its reply is far larger than what it was asked",
    NO_SETTINGS: "it was started anew and lacks what it was sent in this run; it gets that again",
}
_WARNING, _TOLERANCE = 30, 1e-6
T = TypeVar("T")


@dataclass(frozen=True)
class Refusal:
    """Something of a reply that was not used, and why, in words that name no case and quote no exception."""

    site: str
    part: str
    reason: str
    code: int = 0
    """Of the error that the site, or Flower for it, replied with; 0 where that was none."""


class UnusableError(ValueError):
    """What a site sent cannot be used; the text is the reason of the refusal."""


@dataclass(frozen=True)
class Holder:
    """A site as the coordinator knows it."""

    node_id: int
    site: str
    cohorts: Mapping[str, int]
    """Modality -> the cases it trains on; in a question, part -> the cases that may be in the answer."""
    together: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By part, the sites that answered as one, under masks; empty for a site that answers for itself."""

    @property
    def only_evaluates(self) -> bool:
        """Whether the site, as it introduced itself, has modalities and trains on no case."""
        return bool(self.cohorts) and not any(self.cohorts.values())

    def sites(self, part: str) -> Sequence[str]:
        """Those whose answer this is."""
        return self.together.get(part, (self.site,))


Template = Mapping[str, Mapping[str, np.ndarray]]
"""Part -> the arrays whose names, shapes and types a reply must repeat."""
Part = tuple[Weights, dict[str, float]]
"""Arrays and metrics that one site sent of one part."""


def refusal_of(site: str, error: Error) -> Refusal:
    """An error reply in plain words; what it says itself is not quoted."""
    unknown = f"the site reported error {error.code}; its own log says more"
    reason = _MEANINGS.get(error.code, unknown)
    if error.reason == NOT_APPROVED:
        reason = "the site has not approved this code; it runs `tessera-client trust`"
    return Refusal(site, "*", reason, error.code)


def shown(name: str) -> str:
    """A name that a site sent, fit for a terminal: not at length, and nothing that steers one."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:LONGEST_NAME])


def parts_used(
    holder: Holder, content: RecordDict, read: Callable[[RecordDict, str, int], T]
) -> tuple[dict[str, T], list[Refusal]]:
    """What `read` makes of each part that was asked for, and of how many cases it may be; the rest is refused."""
    strange = [part for part in parts_in(content) if part not in holder.cohorts]
    refused = [Refusal(holder.site, shown(part), "not asked of this site") for part in strange[:MOST_NAMED]]
    if len(strange) > MOST_NAMED:
        refused.append(Refusal(holder.site, "*", f"{len(strange) - MOST_NAMED} more parts not asked of this site"))
    used = {}
    for part, n_cases in holder.cohorts.items():
        try:
            used[part] = read(content, part, n_cases)
        except UnusableError as error:
            refused.append(Refusal(holder.site, part, str(error)))
        except Exception:  # whatever a site can think of sending
            log(_WARNING, "site %s, %s: %s", holder.site, part, UNREADABLE, exc_info=True)
            refused.append(Refusal(holder.site, part, UNREADABLE))
    return used, refused


def each_part(
    read: Callable[[RecordDict, str, int], T],
) -> Callable[[Holder, RecordDict], tuple[dict[str, T], list[Refusal]]]:
    """A reader of whole replies: whatever is wrong with one part, the others are used."""
    return lambda holder, content: parts_used(holder, content, read)


def trained_part(template: Template) -> Callable[[RecordDict, str, int], Part]:
    """A reader of the weights that a site trained, starting from those of the template.

    It refuses what differs in names, shapes or types, is not finite, or has moved further than training moves weights.
    """

    @cache  # the same for all sites
    def limits(part: str) -> tuple[float, float]:
        before = template[part]
        size = root_mean_square([squares(start) for start in before.values()], before)
        return size, LARGEST_MOVE * (size + 1) - max(map(largest, before.values()), default=0.0)

    def read(content: RecordDict, part: str, n_cases: int) -> Part:
        arrays, metrics = _part(content, part, n_cases, template[part])
        size, harmless = limits(part)
        # Where no single weight can have moved that far, nor can their root mean square: far cheaper to see.
        if not all(largest(array) <= harmless < math.inf for array in arrays.values()):
            _check_finite(arrays)
            _check_move(arrays, template[part], size)
        return arrays, metrics

    return read


def gradient_part(template: Template) -> Callable[[RecordDict, str, int], Part]:
    """A reader of a gradient, summed over the site's cases, by the parameters of the template.

    It refuses what differs from them in names, shapes or types, is not finite, or is steeper than any loss.
    """

    def read(content: RecordDict, part: str, n_cases: int) -> Part:
        arrays, metrics = _part(content, part, n_cases, template[part])
        _check_finite(arrays)
        for name, array in arrays.items():
            if (np.abs(array) > MOST_A_CASE * n_cases).any():
                raise UnusableError(f"{name} is steeper than {MOST_A_CASE:.0e} a case")
        return arrays, metrics

    return read


def sums_part(template: Template) -> Callable[[RecordDict, str, int], Weights]:
    """A reader of sums over a site's cases; a length of 0 in the template is one that only the data know.

    It refuses what differs from the template in names, shapes or types, and sums that no cases can have.
    """

    def read(content: RecordDict, part: str, n_cases: int) -> Weights:
        record = _present(content, part)
        if not isinstance(record, ArrayRecord):
            raise UnusableError("no arrays")
        sums = _arrays(record, template[part], _fits)
        _check_finite(sums)
        _check_sums(sums, n_cases)
        return sums

    return read


def _present(content: RecordDict, part: str) -> object:
    if ARRAYS + part not in content:
        raise UnusableError("missing from the reply")
    return content[ARRAYS + part]


def _part(content: RecordDict, part: str, n_cases: int, template: Mapping[str, np.ndarray]) -> Part:
    record, metrics = _present(content, part), content.get(METRICS + part)
    if not isinstance(record, ArrayRecord) or not isinstance(metrics, MetricRecord):
        raise UnusableError("no arrays or no metrics")
    arrays = _arrays(record, template, lambda shape, agreed: shape == agreed)
    _check_metrics(metrics, n_cases)
    return arrays, dict(metrics)  # pyright: ignore[reportReturnType]  # numbers, as was checked


def _arrays(record: ArrayRecord, template: Mapping[str, np.ndarray], fits: Callable[[tuple, tuple], bool]) -> Weights:
    """The arrays of a record, which must have the template's names, types and shapes; readers look at the values."""
    if record.keys() != template.keys():
        wrong = sorted(set(record) ^ set(template))
        more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        raise UnusableError(f"arrays named {[shown(name) for name in wrong[:MOST_NAMED]]}{more} are missing or unknown")
    arrays = {name: _array(record, name) for name in record}
    for name, array in arrays.items():
        agreed = template[name]
        if array.dtype != agreed.dtype or not fits(array.shape, agreed.shape):
            expected = f"{agreed.dtype}{list(agreed.shape)}"
            raise UnusableError(f"{name} is {array.dtype}{list(array.shape)}, expected {expected}")
    return arrays


def _check_finite(arrays: Weights) -> None:
    for name, array in arrays.items():
        if not math.isfinite(largest(array)):
            raise UnusableError(f"{name} is not finite")


def _array(record: ArrayRecord, name: str) -> np.ndarray:
    try:
        array = record[name].numpy()
    except Exception:  # NumPy's reader promises no particular one for bytes that it did not write
        array = None
    if not isinstance(array, np.ndarray):
        raise UnusableError(f"{name} cannot be read as an array")
    return array


def _fits(shape: Sequence[int], agreed: Sequence[int]) -> bool:
    return len(shape) == len(agreed) and all(n in (length, 0) for length, n in zip(shape, agreed, strict=True))


def _check_metrics(metrics: MetricRecord, n_cases: int) -> None:
    if unknown := sorted({*metrics} - {NUM_EXAMPLES, LOSS, HELD_OUT_N, HELD_OUT_LOSS}):
        raise UnusableError(f"unknown metrics: {', '.join(shown(name) for name in unknown[:MOST_NAMED])}")
    for name in (NUM_EXAMPLES, HELD_OUT_N):
        n = metrics.get(name, 0 if name == HELD_OUT_N else None)
        if not isinstance(n, int) or not 0 <= n <= n_cases:
            raise UnusableError(f"{name} must be from 0 to the {n_cases} cases announced")
    for name in (LOSS, HELD_OUT_LOSS):
        loss = metrics.get(name, 0)
        if not isinstance(loss, int | float) or not abs(loss) < math.inf:
            raise UnusableError("a metric is not a finite number")
        if not 0 <= loss <= MOST_A_CASE * n_cases:
            raise UnusableError("a loss is negative" if loss < 0 else f"a loss of more than {MOST_A_CASE:.0e} a case")


def _check_move(arrays: Weights, before: Mapping[str, np.ndarray], size: float) -> None:
    """Refuse weights that would drown all others, or overflow in the sum, though each of them is finite."""
    move = root_mean_square([squares(arrays[name], start) for name, start in before.items()], before)
    if move > LARGEST_MOVE * (size + 1):
        raise UnusableError(f"moves the weights by {move:.1e}, more than {LARGEST_MOVE:.0f} x ({size:.1e} + 1)")


def _check_sums(sums: Weights, n_cases: int) -> None:
    most = {"n": n_cases, "cases": n_cases, CLASS_COUNTS: MOST_CASES, LOSSES: MOST_A_CASE * n_cases}
    for name, array in sums.items():
        if (np.abs(array) > LARGEST_SUM).any():
            raise UnusableError(f"{name} is beyond {LARGEST_SUM:.0e}")
        if name in most and ((array < 0) | (array > most[name])).any():
            announced = f"the {n_cases} cases announced" if most[name] == n_cases else f"{most[name]:.0e}"
            raise UnusableError(f"{name} outside 0 to {announced}")
    if {"n", "sum", "square"} <= sums.keys():
        known = np.maximum(sums["n"], 1)
        variance = sums["square"] / known - np.square(sums["sum"] / known)
        if (variance < -_TOLERANCE * np.maximum(sums["square"] / known, 1)).any():
            raise UnusableError("a negative variance")
