"""Epsilon and the noise that it asks for, where the same patients are in a number of releases.

Every release is a sum in which a patient moves the result by at most a bound, plus Gaussian noise of `multiplier`
times that bound. All of a study's releases together are then one Gaussian mechanism, exactly: no inequality is lost.
The noise that sites draw is discrete, on a grid a million times finer than itself or more, where both agree in
every digit that is shown (strategies/private/noise.py).
"""

import math
from collections.abc import Callable
from functools import cache

_LEAST, _MOST = 1e-6, 1e3
AGREEMENT = 0.01
"""How far apart, as a share, two accountants may be before nothing is released: PLD's grid rounds to less than that."""


def delta_of(mu: float, epsilon: float) -> float:
    """The least delta of a Gaussian mechanism that moves by `mu` standard deviations, at this epsilon.

    Phi(mu/2 - epsilon/mu) - e^epsilon Phi(-mu/2 - epsilon/mu).

    Source: Balle and Wang 2018, arXiv:1805.06530, theorem 8; as mu-GDP, Dong, Roth and Su 2022, arXiv:1905.02383.
    """
    tail = _phi(-mu / 2 - epsilon / mu)
    return _phi(mu / 2 - epsilon / mu) - (math.exp(epsilon + math.log(tail)) if tail else 0.0)


def _phi(z: float) -> float:
    """The normal distribution's share below z, exact to the last digits far out on either side."""
    return math.erfc(-z / math.sqrt(2)) / 2


@cache
def noise_multiplier(epsilon: float, delta: float, releases: int) -> float:
    """Standard deviation of each release's noise, in bounds, so that all of them together are (epsilon, delta)-private.

    Gaussian mechanisms that move by mu_1, mu_2, ... are one that moves by the root of the sum of squares.

    Raises:
        ValueError: no noise from a thousandth to a million bounds gives this epsilon.
    """
    if not delta_of(_LEAST, epsilon) < delta < delta_of(_MOST, epsilon):
        raise ValueError(f"no noise gives epsilon {epsilon:g} at delta {delta:g}")
    mu = _largest(lambda mu: delta_of(mu, epsilon) <= delta, _LEAST, _MOST)
    return math.sqrt(releases) / mu


def epsilon_of(multiplier: float, delta: float, releases: int) -> float:
    """The inverse: what so many releases with this noise tell; 0 where even that is promised."""
    mu = math.sqrt(releases) / multiplier
    if delta_of(mu, 0.0) <= delta:
        return 0.0
    most = mu * mu / 2 + mu * math.sqrt(2 * math.log(1 / delta)) + 1  # above the bound of zero-concentrated privacy
    return _largest(lambda epsilon: delta_of(mu, epsilon) >= delta, 0.0, most)


def _largest(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The largest number for which something holds that holds at `low` and no longer at `high`; by halving."""
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


@cache
def epsilon_by_pld(multiplier: float, delta: float, releases: int) -> float:
    """The same by a second way: Google's accountant adds up the distribution of the privacy loss on a grid.

    Source: dp-accounting's `PLDAccountant`, which rounds up; Koskela et al. 2020, arXiv:1906.03049.
    """
    from dp_accounting import dp_event  # a second to import, once a study
    from dp_accounting.pld import PLDAccountant

    accountant = PLDAccountant()
    accountant.compose(dp_event.GaussianDpEvent(multiplier), releases)
    return float(accountant.get_epsilon(delta))


def confirmed_multiplier(epsilon: float, delta: float, releases: int) -> float:
    """`noise_multiplier`, once the second accountant has said the same of it.

    Raises:
        ValueError: it says that so much noise spends more than epsilon.
    """
    multiplier = noise_multiplier(epsilon, delta, releases)
    found = epsilon_by_pld(multiplier, delta, releases)
    if found > epsilon * (1 + AGREEMENT):
        raise ValueError(f"the accountants disagree: epsilon {epsilon:g} by the formula, {found:.4f} by PLD")
    return multiplier
