"""The vector that a group's members send: weights in one format, sums in the other; masks are added to both alike."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategies.masking.numbers import Change, Fixed, add_wide, decoded_wide, encoded_wide, negated_wide
from strategies.masking.streams import derived, stream, words


@dataclass
class Vector:
    """Words that are added up modulo a power of two."""

    weights: np.ndarray
    """Whole numbers of a format's smallest fraction, uint32 or uint64."""
    sums: np.ndarray
    """Wide numbers, uint64 of shape (number, 2)."""

    @staticmethod
    def of(weights: Sequence[np.ndarray | Change], sums: np.ndarray, fixed: Fixed, n_sites: int) -> "Vector":
        """The vector of one of so many sites, from weights array by array and float64 sums.

        Raises:
            ValueError: a number is not finite, or too large for the sum.
        """
        return Vector(fixed.encoded(weights, n_sites), encoded_wide(sums, n_sites))

    def numbers(self, fixed: Fixed) -> tuple[np.ndarray, np.ndarray]:
        """Weights and sums of an opened sum, float64."""
        return fixed.decoded(self.weights), decoded_wide(self.sums)

    def add(self, other: "Vector") -> None:
        """Add another site's, in place.

        Raises:
            ValueError: it has another length or format.
        """
        if not self.is_like(other):
            raise ValueError("vectors of different lengths cannot be added")
        self.weights += other.weights
        add_wide(self.sums, other.sums)

    def is_like(self, other: "Vector") -> bool:
        """Whether both have the same lengths and formats."""
        return all(
            one.shape == another.shape and one.dtype == another.dtype
            for one, another in ((self.weights, other.weights), (self.sums, other.sums))
        )

    def mask(self, seed: bytes, sign: int) -> None:
        """Add (sign 1) or take away (-1) the mask that the seed stands for, in place."""
        step, done = np.add if sign > 0 else np.subtract, 0
        for block in stream(derived(seed, b"weights"), self.weights.nbytes):
            masks = words(block, self.weights.dtype)
            part = self.weights[done : done + len(masks)]
            step(part, masks, out=part)
            done += len(masks)
        drawn = b"".join(bytes(block) for block in stream(derived(seed, b"sums"), self.sums.nbytes))
        masks = words(drawn, self.sums.dtype).reshape(self.sums.shape)
        add_wide(self.sums, masks if sign > 0 else negated_wide(masks))

    def digest(self) -> str:
        """SHA-256 of the words as they travel, in hexadecimal digits."""
        hashed = hashlib.sha256(self.weights.data)
        hashed.update(np.ascontiguousarray(self.sums).data)
        return hashed.hexdigest()
