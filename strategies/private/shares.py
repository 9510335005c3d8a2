"""Who adds how much noise: so much that the sum is private though some sites stay away and others tell theirs."""

import math

LEAST_SIGMA = 2**20
"""On a grid so much finer than the noise, discrete and continuous noise are alike in every digit that is shown."""


def least_answering(n_sites: int, min_holders: int = 1) -> int:
    """Of the sites that hold a modality, how many a sum is opened with at the least: more than two thirds."""
    return min(n_sites, max(min_holders, 2 * n_sites // 3 + 1))


def honest_sites(n_sites: int, min_holders: int, colluders: int) -> int:
    """The sites whose noise nobody can take away again, whatever happens: they must make up all of it.

    A site knows its own noise, so that one colluder is counted even where every site is merely curious.

    Source: Kairouz, Liu and Steinke 2021, arXiv:2102.06387.
    """
    return max(1, least_answering(n_sites, min_holders) - colluders)


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
