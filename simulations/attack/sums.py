"""What a coordinator sees of a round: one site's weights, or under masks the mean over a group of sites, no less."""

from collections.abc import Sequence

import numpy as np

from modalities.core.blocks.branch import Weights
from modalities.core.seeds import seed_of
from simulations.attack.training import SiteUpdates


def ring(holders: Sequence[int], seed: int, modality: str) -> list[int]:
    """The sites in an order drawn once, in which neighbours form groups: the same in every study."""
    generator = np.random.default_rng(seed_of(seed, "attack", "groups", modality))
    return [int(site) for site in generator.permutation(np.array(holders, dtype=np.int64))]


def group_of(site: int, order: Sequence[int], size: int) -> list[int]:
    """The site and those after it, until there are `size`; each site thus stands in a group of every size."""
    start = order.index(site)
    return [order[(start + step) % len(order)] for step in range(size)]


def opened(updates: SiteUpdates, group: Sequence[int]) -> tuple[Weights, int] | None:
    """The mean of the group's weights by cases, and the cases: all that a masked sum tells. None without a member."""
    parts = [updates[site] for site in group if site in updates]
    n_cases = sum(n for _, n in parts)
    if not n_cases:
        return None
    names = parts[0][0]
    mean = {name: sum(n * weights[name].astype(np.float64) for weights, n in parts) / n_cases for name in names}
    return {name: np.asarray(value, dtype=names[name].dtype) for name, value in mean.items()}, n_cases
