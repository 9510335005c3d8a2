"""A mask is added with sign 1 and taken away with sign -1, word by word: sites of any version must agree on which."""

import numpy as np
import pytest

from strategies.masking.numbers import WEIGHTS
from strategies.masking.streams import derived, stream, words
from strategies.masking.vectors import Vector

SEED = bytes(range(32))


def mask_of(n, dtype):
    """The words that the seed stands for in the weights."""
    drawn = b"".join(bytes(block) for block in stream(derived(SEED, b"weights"), n * np.dtype(dtype).itemsize))
    return words(drawn, np.dtype(dtype))


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_words_of_the_seed_are_added_or_taken_away(bits, sign):
    dtype = WEIGHTS[bits].dtype
    weights = np.arange(7, dtype=dtype)
    vector = Vector(weights.copy(), np.zeros((3, 2), np.uint64))
    vector.mask(SEED, sign)
    expected = weights + mask_of(7, dtype) if sign > 0 else weights - mask_of(7, dtype)
    assert np.array_equal(vector.weights, expected)
    assert vector.sums.all()
    vector.mask(SEED, -sign)
    assert np.array_equal(vector.weights, weights)
    assert not vector.sums.any()
