import hashlib

import numpy as np
import pytest

from strategies.private.bits import Bits

_SECRET = b"s" * 32


def test_the_stream_begins_with_shake_of_secret_purpose_and_counter():
    expected = hashlib.shake_256((32).to_bytes(8, "big") + _SECRET + b"noise\0" + bytes(8)).digest(16)
    first, second = Bits(_SECRET, "noise").take(2)
    assert int(first).to_bytes(8, "little") + int(second).to_bytes(8, "little") == expected


def test_taking_little_by_little_gives_what_taking_all_at_once_gives_within_a_block():
    whole, parts = Bits(_SECRET, "a"), Bits(_SECRET, "a")
    assert np.array_equal(whole.take(300), np.concatenate([parts.take(7), parts.take(293)]))


def block(number, n):
    """The first n numbers of a block, by FIPS 202."""
    content = (32).to_bytes(8, "big") + _SECRET + b"a\0" + number.to_bytes(8, "big")
    return np.frombuffer(hashlib.shake_256(content).digest(8 * n), dtype="<u8")


def test_a_block_is_as_long_as_what_is_asked_for_and_the_next_begins_when_it_is_used_up():
    drawn = Bits(_SECRET, "a")
    assert np.array_equal(drawn.take(700), block(0, 700))
    assert np.array_equal(drawn.take(600), block(1, 600))
    assert np.array_equal(drawn.take(3), block(2, 3))
    assert np.array_equal(drawn.take(600), np.concatenate([block(2, 512)[3:], block(3, 91)]))


def test_no_block_comes_twice():
    drawn = Bits(_SECRET, "a").take(200_003)
    assert len(np.unique(drawn)) == len(drawn)


def test_numbers_below_a_limit_are_all_as_likely():
    counts = np.bincount(Bits(_SECRET, "a").below(7, 70_000), minlength=7)
    assert counts.size == 7
    assert np.abs(counts - 10_000).max() < 5 * (10_000 * 6 / 7) ** 0.5


def test_what_would_favour_small_numbers_is_drawn_again():
    # 2^64 mod (2^63 + 1) = 2^63 - 1: nearly half of all words lie beyond the last whole span.
    limit = 2**63 + 1
    drawn = Bits(_SECRET, "a")
    words = Bits(_SECRET, "a").take(1)
    first = int(drawn.below(limit, 1)[0])
    assert 0 <= first < limit
    assert int(words[0]) < limit or first != int(words[0]) % limit


@pytest.mark.parametrize(
    ("limit", "last"),
    [(3, 2**64 - 2), (7, 2**64 - 3), (10, 2**64 - 7)],  # 2^64 mod limit: 1, 2, 6
)
def test_of_the_last_whole_span_the_last_word_is_used_and_the_next_is_drawn_again(limit, last):
    words = [np.array([last, last + 1], dtype=np.uint64), np.array([5], dtype=np.uint64)]

    class Drawn(Bits):
        def take(self, n):
            found = words.pop(0)
            assert len(found) == n
            return found

    assert Drawn(_SECRET, "a").below(limit, 2).tolist() == [limit - 1, 5 % limit]
    assert words == []


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="32 bytes or more, got 16"):
        Bits(b"s" * 16, "a")
