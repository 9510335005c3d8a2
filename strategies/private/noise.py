"""Whole-numbered Gaussian noise, drawn without a rounding that could tell what it hides.

Floating-point Gaussians leave gaps that give values away (Mironov 2012), so noise is drawn on the integers: exactly, as
far as the bits are random. Every yes or no of the sampler compares a uniform number with exp(-a / b). Float64 decides
where the number is clearly on one side, and 100 digits where it is not, which one draw in 2^40 needs; so the result
differs from the exact distribution by less than 2^-100.

Source: Canonne, Kamath and Steinke 2020, arXiv:2004.00010, algorithms 2 and 3. Sites that each add a part of the
variance: Kairouz, Liu and Steinke 2021, arXiv:2102.06387; at a standard deviation of 2^20 units and more, their sum
and one discrete Gaussian differ by less than exp(-2^40).
"""

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float64, Int64

from strategies.private.bits import Bits

LEAST_SIGMA, MOST_SIGMA = 1, 2**52
_UNSURE = 2.0**-42
"""Far above what float64 can be wrong by in a probability exp(-x) whose x is right to a few units in the last place."""
_DIGITS = 100


def discrete_gaussian(sigma: int, size: int, bits: Bits) -> Int64[np.ndarray, " size"]:
    """Draws of N_Z(0, sigma^2): P(k) proportional to exp(-k^2 / (2 sigma^2)).

    Raises:
        ValueError: sigma is not a whole number from 1 to 2^52.
    """
    if not LEAST_SIGMA <= sigma <= MOST_SIGMA:
        raise ValueError(f"sigma must be from 1 to 2^52, got {sigma}")
    scale = sigma + 1
    found = np.zeros(0, dtype=np.int64)
    while len(found) < size:
        drawn = _discrete_laplace(scale, 2 * (size - len(found)) + 16, bits)
        found = np.concatenate([found, drawn[_stays(drawn, sigma, scale, bits)]])
    return found[:size]


def _stays(drawn: Int64[np.ndarray, " n"], sigma: int, scale: int, bits: Bits) -> Bool[np.ndarray, " n"]:
    """Keep y with probability exp(-(|y| - sigma^2 / scale)^2 / (2 sigma^2)): the Laplace becomes the Gaussian."""
    centre = Fraction(sigma * sigma, scale)  # sigma - 1 + 1 / scale, as scale is sigma + 1
    away = (np.abs(drawn) - (sigma - 1)).astype(np.float64) - 1 / scale

    def exactly(row: int) -> Fraction:
        return (abs(int(drawn[row])) - centre) ** 2 / (2 * sigma * sigma)

    return _happens(np.square(away / sigma) / 2, exactly, bits)


def _discrete_laplace(scale: int, n: int, bits: Bits) -> Int64[np.ndarray, " m"]:
    """At most n draws, each with P(k) proportional to exp(-|k| / scale)."""
    low = bits.below(scale, n)
    low = low[_happens(low / scale, lambda row: Fraction(int(low[row]), scale), bits)]
    values = low + scale * _failures(len(low), bits)
    negative = bits.take(len(values)) >> np.uint64(63) == 1
    kept = ~(negative & (values == 0))  # else 0 would come twice as often
    return np.where(negative, -values, values)[kept]


def _failures(n: int, bits: Bits) -> Int64[np.ndarray, " n"]:
    """How often in a row something of probability 1/e happens."""
    counts, going = np.zeros(n, dtype=np.int64), np.arange(n)
    while going.size:
        again = _happens(np.ones(going.size), lambda row: Fraction(1), bits)
        going = going[again]
        counts[going] += 1
    return counts


def _happens(
    exponents: Float64[np.ndarray, " n"], exactly: Callable[[int], Fraction], bits: Bits
) -> Bool[np.ndarray, " n"]:
    """For each x, true with probability exp(-x); `exactly` gives the x of a row where float64 cannot decide."""
    drawn = bits.take(len(exponents))
    uniform, chance = drawn / 2.0**64, np.exp(-exponents)
    result = uniform < chance
    for row in np.flatnonzero(np.abs(uniform - chance) < _UNSURE):
        more = [int(word) for word in bits.take(5)]
        result[row] = _is_below(int(drawn[row]), more, exactly(int(row)))
    return result


def _is_below(first: int, more: list[int], exponent: Fraction) -> bool:
    """Whether the uniform number of these 64-bit words lies below exp(-exponent)."""
    number, scale = first, 2**64
    for word in more:
        number, scale = number * 2**64 + word, scale * 2**64
    with localcontext() as context:
        context.prec = _DIGITS
        chance = (-Decimal(exponent.numerator) / Decimal(exponent.denominator)).exp()
        return Decimal(number) / Decimal(scale) < chance
