"""How much each modality adds to a prediction: Shapley values over the modalities that a case has."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import factorial

import numpy as np
from jaxtyping import Float

Subset = frozenset[str]


def subsets_of(names: Sequence[str]) -> list[Subset]:
    """Every subset, the empty one first."""
    return [frozenset(kept) for size in range(len(names) + 1) for kept in combinations(names, size)]


def shapley(
    values: Mapping[Subset, Float[np.ndarray, " case"]], names: Sequence[str]
) -> dict[str, Float[np.ndarray, " case"]]:
    """What each name adds to the value, averaged over every order in which the names could come.

    phi_m = sum over S without m of |S|! (n - |S| - 1)! / n! * (v(S + m) - v(S)); all of them add up to v(all) - v({}).
    A modality that a case lacks changes none of its values, and so adds 0.

    Source: Shapley 1953, A value for n-person games.
    """
    n, found = len(names), {}
    for name in names:
        without = [subset for subset in subsets_of(names) if name not in subset]
        weights = [factorial(len(subset)) * factorial(n - len(subset) - 1) / factorial(n) for subset in without]
        steps = [values[subset | {name}] - values[subset] for subset in without]
        found[name] = sum((weight * step for weight, step in zip(weights, steps, strict=True)), np.zeros_like(steps[0]))
    return found
