"""Fixed-point numbers: what is masked must be whole, so that masks cancel to the last bit.

A weight is a whole number of 2^-37 (or 2^-15 where 32 bits are enough), added up modulo 2^64 (2^32). Sums, losses and
gradients have no range known beforehand: whole numbers of 2^-64, added up modulo 2^128 in two words of 64 bits.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt64

_WORD = 2.0**64
_BLOCK = 2**15
"""Numbers that fit a processor's cache, since each goes through a dozen steps."""
_MOST_WHOLE = 2.0**63


@dataclass(frozen=True)
class Change:
    """Cases x (weights after - weights before), float64: worked out where it is needed, not held beside the weights."""

    before: np.ndarray
    after: np.ndarray
    cases: float | int
    dtype = np.dtype(np.float64)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the weights."""
        return self.after.shape

    def blocks(self) -> Iterator[Float[np.ndarray, " number"]]:
        """The numbers in order."""
        for after, before in zip(_blocks(self.after), _blocks(self.before), strict=True):
            change = np.subtract(after, before, dtype=np.float64)
            yield np.multiply(change, self.cases, out=change)


@dataclass(frozen=True)
class Fixed:
    """A format of fixed-point numbers: `bits` in all, of which `fraction` are behind the point."""

    bits: int
    fraction: int

    @property
    def dtype(self) -> np.dtype:
        """Unsigned words, in which NumPy wraps around."""
        return np.dtype(f"uint{self.bits}")

    @property
    def rounding(self) -> float:
        """How far a number moves at most."""
        return 2.0 ** -(self.fraction + 1)

    def bound(self, n_sites: int) -> float:
        """What a number must stay below at each of so many sites, so that no sum wraps around."""
        return 2.0 ** (self.bits - 1 - self.fraction) / n_sites

    def encoded(self, arrays: Sequence[np.ndarray | Change], n_sites: int) -> np.ndarray:
        """The nearest whole numbers of 2^-fraction, in two's complement, of one array after the other.

        Raises:
            ValueError: one is not finite, or too large for a sum over so many sites.
        """
        words = np.empty(sum(math.prod(array.shape) for array in arrays), dtype=self.dtype)
        signed, bound, done = words.view(f"int{self.bits}"), self.bound(n_sites), 0
        for array in arrays:
            for block in array.blocks() if isinstance(array, Change) else _blocks(array):
                _check_range(block, bound)
                whole = block * 2.0**self.fraction
                signed[done : done + len(block)] = np.rint(whole, out=whole)
                done += len(block)
        return words

    def decoded(self, words: np.ndarray) -> Float[np.ndarray, " number"]:
        """The numbers of a sum."""
        return words.view(np.dtype(f"int{self.bits}")).astype(np.float64) * 2.0**-self.fraction


WEIGHTS = {64: Fixed(64, 37), 32: Fixed(32, 15)}
"""By `privacy.masked_bits`, of n (w - w_global): up to 2^26, or 2^16, in the sum; off by 2^-38, or 2^-16, a site."""


def encoded_wide(values: Float[np.ndarray, " number"], n_sites: int) -> UInt64[np.ndarray, "number 2"]:
    """Whole numbers of 2^-64 as (low word, high word): exact but for what lies behind the 64th binary place.

    Raises:
        ValueError: one is not finite, or too large for a sum over so many sites.
    """
    _check_range(values, _MOST_WHOLE / n_sites)
    size = np.abs(values)
    whole = np.floor(size)
    fraction = (size - whole) * _WORD  # below 2^64: a float below 1 is at most 1 - 2^-53
    positive = np.stack([fraction.astype(np.uint64), whole.astype(np.uint64)], axis=1)
    return np.where(values[:, None] < 0, negated_wide(positive), positive)


def decoded_wide(words: UInt64[np.ndarray, "number 2"]) -> Float[np.ndarray, " number"]:
    """The numbers of a sum."""
    negative = words[:, 1].view(np.int64) < 0
    positive = np.where(negative[:, None], negated_wide(words), words)  # else small ones drown in their complement
    size = positive[:, 1].astype(np.float64) + positive[:, 0].astype(np.float64) / _WORD
    return np.where(negative, -size, size)


def add_wide(total: UInt64[np.ndarray, "number 2"], words: UInt64[np.ndarray, "number 2"]) -> None:
    """Add in place, modulo 2^128."""
    total[:, 0] += words[:, 0]
    total[:, 1] += words[:, 1] + (total[:, 0] < words[:, 0])


def negated_wide(words: UInt64[np.ndarray, "number 2"]) -> UInt64[np.ndarray, "number 2"]:
    """The complement: what adds up with the words to 0."""
    negated = ~words
    negated[:, 0] += np.uint64(1)
    negated[:, 1] += negated[:, 0] == 0
    return negated


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    flat = array.reshape(-1)
    return (flat[start : start + _BLOCK] for start in range(0, len(flat), _BLOCK))


def _check_range(values: np.ndarray, bound: float) -> None:
    if not values.size:
        return
    largest = max(-float(values.min()), float(values.max()))
    if not math.isfinite(largest):
        raise ValueError("a number that is not finite cannot be sent")
    if largest >= bound:
        raise ValueError(
            f"a number of {largest:.3g} is too large for a masked sum, which takes those below {bound:.3g}"
        )
