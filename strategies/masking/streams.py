"""Keys derived from keys, and the streams of random bytes that masks are made of."""

from collections.abc import Iterator

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KEY_BYTES = 32
_BLOCK = 2**18
"""Bytes of a stream that are in memory at once: a processor's cache holds them; a multiple of every word's size."""
_ZEROS = bytes(_BLOCK)
_CIPHER_BLOCK = 16


def derived(key: bytes, *purpose: bytes) -> bytes:
    """A key for one purpose, which says nothing of the key that it comes from or of those for other purposes.

    Source: HKDF-Expand with SHA-256, RFC 5869. Each word of the purpose is preceded by its length, so that no two
    purposes are spelt alike.
    """
    info = b"".join(len(word).to_bytes(4, "big") + word for word in (b"tessera/masking/v1", *purpose))
    return HKDFExpand(hashes.SHA256(), KEY_BYTES, info).derive(key)


def stream(seed: bytes, n_bytes: int) -> Iterator[bytes | memoryview]:
    """The bytes that a seed stands for, in blocks; each must be used before the next is asked for.

    Source: AES-256 in counter mode, NIST SP 800-38A; a seed is used for one stream only, so it may begin at 0.
    """
    cipher = Cipher(algorithms.AES(seed), modes.CTR(bytes(_CIPHER_BLOCK))).encryptor()
    buffer = bytearray(min(_BLOCK, n_bytes) + _CIPHER_BLOCK - 1)
    for start in range(0, n_bytes, _BLOCK):
        size = min(_BLOCK, n_bytes - start)
        cipher.update_into(memoryview(_ZEROS)[:size], buffer)
        yield memoryview(buffer)[:size]


def numbers(seed: bytes, count: int, below: int) -> list[int]:
    """So many whole numbers, each of 32 bytes of the stream modulo `below`."""
    drawn = b"".join(bytes(block) for block in stream(seed, count * KEY_BYTES))
    return [int.from_bytes(drawn[at : at + KEY_BYTES], "big") % below for at in range(0, len(drawn), KEY_BYTES)]


def words(block: bytes | memoryview, dtype: np.dtype) -> np.ndarray:
    """A block as unsigned words, little-endian on every machine."""
    return np.frombuffer(block, dtype=dtype.newbyteorder("<"))
