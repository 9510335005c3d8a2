import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import chi2

from strategies.private import noise
from strategies.private.bits import Bits
from strategies.private.noise import discrete_gaussian

_SECRET = bytes(range(32))


def bits(purpose="test"):
    return Bits(_SECRET, purpose)


def test_small_noise_has_the_distribution_that_its_definition_says():
    drawn = discrete_gaussian(2, 40_000, bits())
    values = np.arange(-6, 7)
    chances = np.exp(-np.square(values) / 8)
    chances /= np.exp(-np.square(np.arange(-60, 61)) / 8).sum()
    counts = np.array([(drawn == value).sum() for value in values])
    expected = len(drawn) * chances
    assert np.square(counts - expected).__truediv__(expected).sum() < chi2.ppf(1 - 1e-6, len(values))
    assert np.abs(drawn).max() < 13


@pytest.mark.parametrize("sigma", [1 << 20, (1 << 38) + 7, 1 << 52])
def test_the_variance_measured_is_sigma_squared(sigma):
    n = 20_000
    drawn = discrete_gaussian(sigma, n, bits()).astype(np.float64) / sigma
    # The sample variance of n normal draws has the standard deviation sqrt(2 / n) = .01: five of them are let through.
    assert np.square(drawn).mean() == pytest.approx(1.0, abs=5 * math.sqrt(2 / n))
    assert drawn.mean() == pytest.approx(0.0, abs=5 / math.sqrt(n))
    assert (np.abs(drawn) > 1.96).mean() == pytest.approx(0.05, abs=5 * math.sqrt(0.05 * 0.95 / n))


def test_noise_shared_out_over_sites_adds_up_to_the_whole():
    n_sites, n, whole = 7, 20_000, 1 << 30
    part = math.ceil(whole / math.sqrt(n_sites))
    total = sum(discrete_gaussian(part, n, bits(f"site {site}")) for site in range(n_sites))
    assert np.square(total / whole).mean() == pytest.approx(1.0, abs=5 * math.sqrt(2 / n))


def test_the_same_secret_and_purpose_draw_the_same_and_another_purpose_something_else():
    assert np.array_equal(discrete_gaussian(1 << 30, 501, bits()), discrete_gaussian(1 << 30, 501, bits()))
    assert not np.array_equal(discrete_gaussian(1 << 30, 501, bits()), discrete_gaussian(1 << 30, 501, bits("other")))


def test_where_float64_cannot_decide_exact_arithmetic_does(monkeypatch):
    """With everything unsure the slow way decides each draw, and the distribution is the same."""
    monkeypatch.setattr(noise, "_UNSURE", 2.0)
    drawn = discrete_gaussian(5, 1500, bits())
    assert np.square(drawn / 5).mean() == pytest.approx(1.0, abs=5 * math.sqrt(2 / 1500))


@pytest.mark.parametrize("away", [-3, 3])
def test_what_float64_could_get_wrong_is_decided_by_more_bits_than_64(away):
    """Three quarters of 2^-42 from the chance; float64 is trusted from 2^-42 on."""
    word = int(math.exp(-1) * 2**64) + away * 2**20
    asked = []

    class Drawn(Bits):
        def take(self, n):
            return np.array([word], dtype=np.uint64) if n == 1 else np.zeros(n, dtype=np.uint64)

    (happens,) = noise._happens(np.ones(1), lambda row: asked.append(row) or Fraction(1), Drawn(_SECRET, "test"))
    assert asked == [0]
    assert happens == (away < 0)


def test_a_number_that_agrees_with_the_chance_in_64_bits_is_decided_by_the_bits_that_follow():
    # exp(-1) = .5E2D58D8B3BCDF1A BADEC7829054F90D ... in base 16
    first = 0x5E2D58D8B3BCDF1A
    assert noise._is_below(first, [0xBADEC7829054F90C, 0, 0, 0, 0], Fraction(1))
    assert not noise._is_below(first, [0xBADEC7829054F90E, 0, 0, 0, 0], Fraction(1))
    assert noise._is_below(first - 1, [2**64 - 1] * 5, Fraction(1))


@pytest.mark.parametrize("sigma", [0, 2**52 + 1])
def test_a_sigma_that_the_sampler_cannot_take_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma must be from 1"):
        discrete_gaussian(sigma, 3, bits())
