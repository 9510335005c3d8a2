"""Who adds how much noise: so much that the sum is private though some sites stay away and others tell theirs."""

import math

from strategies.masking.labels import threshold

LEAST_SIGMA = 2**20
"""On a grid so much finer than the noise, discrete and continuous noise are alike in every digit that is shown."""


def honest_sites(n_members: int, least: int, colluders: int) -> int:
    """The sites whose noise nobody can take away again, whatever happens: they must make up all of it.

    A sum of so many members is opened with the masks' threshold of them at the least.

    A site knows its own noise, so that one colluder is counted even where every site is merely curious.

    Source: Kairouz, Liu and Steinke 2021, arXiv:2102.06387.
    """
    return max(1, min(n_members, threshold(n_members, least)) - colluders)


def site_sigma(multiplier: float, bound_units: int, n_honest: int) -> int:
    """Standard deviation of the noise that each site adds, in units and rounded up.

    n_honest of them add up to `multiplier` times the bound; all others make it more.

    Raises:
        ValueError: the grid is too coarse for it.
    """
    sigma = math.ceil(multiplier * bound_units / math.sqrt(n_honest))
    if sigma < LEAST_SIGMA:
        raise ValueError(f"noise of {sigma} units is too fine for the grid: raise federated.lr, or privacy.clip")
    return sigma
