"""Where each array and metric of a group's parts stands in the vector, so that a sum can be read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

Arrays = Mapping[str, np.ndarray]
Metrics = Mapping[str, float | int]


@dataclass
class Reply:
    """What a site has to say of a group's parts."""

    arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    """By part."""
    metrics: dict[str, dict[str, float | int]] = field(default_factory=dict)
    """By part."""
    is_weighted: bool = False
    """Whether the arrays are cases times the change of weights, which have a format of their own."""


def layout_of(reply: Reply) -> str:
    """Names, shapes and kinds, in the vector's order, as JSON: equal layouts can be added."""
    arrays = [[part, name, array.dtype.str, list(array.shape)] for part, name, array in _arrays(reply)]
    metrics = [[part, name, isinstance(value, int)] for part, name, value in _metrics(reply)]
    return json.dumps({"weighted": reply.is_weighted, "arrays": arrays, "metrics": metrics}, separators=(",", ":"))


def flattened(reply: Reply) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the vector, float64: weights, and sums."""
    arrays = [np.asarray(array, dtype=np.float64).reshape(-1) for _, _, array in _arrays(reply)]
    metrics = np.array([value for _, _, value in _metrics(reply)], dtype=np.float64)
    nothing = np.zeros(0)
    if reply.is_weighted:
        return np.concatenate([nothing, *arrays]), metrics
    return nothing, np.concatenate([*arrays, metrics])


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


def _arrays(reply: Reply) -> list[tuple[str, str, np.ndarray]]:
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
