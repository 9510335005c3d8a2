"""Where each array and metric of a group's parts stands in the vector, so that a sum can be read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from strategies.masking.numbers import Change

Arrays = Mapping[str, np.ndarray]
Metrics = Mapping[str, float | int]


@dataclass
class Reply:
    """What a site has to say of a group's parts."""

    arrays: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By part; each an array, or a change of weights."""
    metrics: dict[str, dict[str, float | int]] = field(default_factory=dict)
    """By part."""
    is_weighted: bool = False
    """Whether the arrays are cases times the change of weights, which have a format of their own."""


def layout_of(reply: Reply) -> str:
    """Names, shapes and kinds, in the vector's order, as JSON: equal layouts can be added."""
    arrays = [[part, name, array.dtype.str, list(array.shape)] for part, name, array in _arrays(reply)]
    metrics = [[part, name, isinstance(value, int)] for part, name, value in _metrics(reply)]
    return json.dumps({"weighted": reply.is_weighted, "arrays": arrays, "metrics": metrics}, separators=(",", ":"))


def flattened(reply: Reply) -> tuple[list[np.ndarray | Change], np.ndarray]:
    """The numbers of the vector: weights, array by array, and sums, float64."""
    arrays = [array for _, _, array in _arrays(reply)]
    metrics = np.array([value for _, _, value in _metrics(reply)], dtype=np.float64)
    if reply.is_weighted:
        return arrays, metrics
    return [], np.concatenate([*(np.asarray(array, dtype=np.float64).reshape(-1) for array in arrays), metrics])


def restored(layout: str, weights: np.ndarray, sums: np.ndarray) -> Reply:
    """The sum's parts, from its numbers.

    Raises:
        ValueError: the layout does not fit them.
    """
    plain = json.loads(layout)
    reply = Reply(is_weighted=plain["weighted"])
    numbers = _Reader(weights if reply.is_weighted else sums)
    for part, name, kind, shape in plain["arrays"]:
        array = numbers.take(shape)
        reply.arrays.setdefault(part, {})[name] = array if reply.is_weighted else array.astype(kind)
    if reply.is_weighted:
        numbers.check_end()
        numbers = _Reader(sums)
    for part, name, is_whole in plain["metrics"]:
        value = float(numbers.take([])[()])
        reply.metrics.setdefault(part, {})[name] = round(value) if is_whole else value
    numbers.check_end()
    return reply


def _arrays(reply: Reply) -> list[tuple[str, str, Any]]:
    return [(part, name, own[name]) for part, own in sorted(reply.arrays.items()) for name in sorted(own)]


def _metrics(reply: Reply) -> list[tuple[str, str, float | int]]:
    return [(part, name, own[name]) for part, own in sorted(reply.metrics.items()) for name in sorted(own)]


class _Reader:
    def __init__(self, numbers: np.ndarray) -> None:
        self._numbers, self._place = numbers, 0

    def take(self, shape: Sequence[int]) -> np.ndarray:
        size = int(np.prod(shape, dtype=np.int64))
        taken = self._numbers[self._place : self._place + size]
        self._place += size
        return taken.reshape(shape)

    def check_end(self) -> None:
        if self._place != len(self._numbers):
            raise ValueError(f"{len(self._numbers)} numbers, and the layout has {self._place}")
