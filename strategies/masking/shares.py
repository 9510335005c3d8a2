"""Shamir's shares of a secret: any `threshold` of them give it, fewer say nothing of it.

Source: Shamir 1979, doi:10.1145/359168.359176, over the integers modulo the prime 2^256 - 189.
"""

from collections.abc import Mapping, Sequence

PRIME = 2**256 - 189
SIZE = 32
"""Bytes of a secret and of a share."""


def split(secret: bytes, n_shares: int, coefficients: Sequence[int]) -> list[bytes]:
    """Shares for the points 1 to n_shares: values of the polynomial secret + c_1 x + c_2 x^2 + ...

    `coefficients` are threshold - 1 numbers below the prime that nobody else knows. A secret of the prime or above
    (one in 2^248) is taken modulo the prime.
    """
    polynomial = [int.from_bytes(secret, "big") % PRIME, *coefficients]
    shares = []
    for point in range(1, n_shares + 1):
        value = 0
        for coefficient in reversed(polynomial):
            value = (value * point + coefficient) % PRIME
        shares.append(value.to_bytes(SIZE, "big"))
    return shares


def joined(shares: Mapping[int, bytes], weights: Mapping[int, int]) -> bytes:
    """The secret, from shares by point; `weights` is what `weights_at_zero` gave for these points."""
    total = sum(int.from_bytes(share, "big") * weights[point] for point, share in shares.items())
    return (total % PRIME).to_bytes(SIZE, "big")


def weights_at_zero(points: Sequence[int]) -> dict[int, int]:
    """Lagrange's weights: what each point's share counts in the value at 0."""
    weights = {}
    for point in points:
        above = below = 1
        for other in points:
            if other != point:
                above = above * -other % PRIME
                below = below * (point - other) % PRIME
        weights[point] = above * pow(below, -1, PRIME) % PRIME
    return weights
