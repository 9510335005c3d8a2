"""How large weights are, and how far they have moved."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

_BLOCK = 16_384


def largest(array: np.ndarray) -> float:
    """The largest absolute value; NaN where any is NaN, 0 where there is none."""
    return max(float(array.max()), -float(array.min())) if array.size else 0.0


def root_mean_square(sums: Sequence[float], of: Mapping[str, np.ndarray]) -> float:
    """Of all values of the arrays, whose sums of squares are given."""
    return math.sqrt(sum(sums) / max(sum(array.size for array in of.values()), 1))


def squares(array: np.ndarray, start: np.ndarray | None = None) -> float:
    """The sum of squares of an array, or of what it differs from another; in blocks that a processor's cache holds."""
    total, values, against = 0.0, array.reshape(-1), None if start is None else start.reshape(-1)
    with np.errstate(over="ignore"):
        for at in range(0, values.size, _BLOCK):
            block = values[at : at + _BLOCK].astype(np.float64)
            if against is not None:
                block -= against[at : at + _BLOCK]
            total += float(np.square(block, out=block).sum())  # np.dot would wake threads, which wait by spinning
    return total
