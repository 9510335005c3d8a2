"""Random bits that nobody can foretell who lacks a secret, and that the same secret and purpose give again."""

import hashlib

import numpy as np

_BLOCK = 1 << 16


class Bits:
    """An endless stream of 64-bit numbers: SHAKE-256 of secret, purpose and a counter.

    Source: FIPS 202; an extendable-output function of a secret of 256 bits is a pseudorandom function.
    """

    def __init__(self, secret: bytes, purpose: str) -> None:
        """`purpose` says what the bits are for: other purposes get other bits.

        Raises:
            ValueError: the secret is shorter than 256 bits.
        """
        if len(secret) < 32:
            raise ValueError(f"a secret must have 32 bytes or more, got {len(secret)}")
        self._prefix = len(secret).to_bytes(8, "big") + secret + purpose.encode() + b"\0"
        self._block, self._rest = 0, np.zeros(0, dtype=np.uint64)

    def take(self, n: int) -> np.ndarray:
        """The next n numbers, uint64."""
        parts = [self._rest]
        while (n_held := sum(map(len, parts))) < n:
            size = 8 * min(_BLOCK, max(512, n - n_held))
            content = hashlib.shake_256(self._prefix + self._block.to_bytes(8, "big")).digest(size)
            parts.append(np.frombuffer(content, dtype="<u8").astype(np.uint64))
            self._block += 1
        held = np.concatenate(parts)
        self._rest = held[n:]
        return held[:n]

    def below(self, limit: int, n: int) -> np.ndarray:
        """The next n whole numbers from 0 to limit - 1, int64, each as likely: what favours some is drawn anew."""
        span = 2**64 - 2**64 % limit
        found = self.take(n)
        while (odd := np.flatnonzero(found > np.uint64(span - 1))).size:
            found[odd] = self.take(odd.size)
        return (found % np.uint64(limit)).astype(np.int64)
