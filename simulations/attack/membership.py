"""Two tests of who was a member: one threshold for all cases, and a likelihood ratio case by case."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64

_FLOOR = 1e-12


def likelihood_ratios(
    seen: Float64[np.ndarray, "study case"], members: Bool[np.ndarray, "study case"], targets: Sequence[int]
) -> Float64[np.ndarray, "target case"]:
    """Log N(seen | in) - log N(seen | out) of every case in every target study, the others being shadow models.

    The online attack: for each case, the shadow studies that had it and those that had it not give a mean each. Their
    variance is one for both, since there are tens of studies and not hundreds. NaN for a case without either.

    Source: Carlini et al. 2022, arXiv:2112.03570, algorithm 1.
    """
    found = []
    for target in targets:
        others = np.arange(len(seen)) != target
        found.append(_ratio(seen[target], seen[others], members[others]))
    return np.stack(found)


def _ratio(
    target: Float64[np.ndarray, " case"], shadows: Float64[np.ndarray, "s case"], inside: Bool[np.ndarray, "s case"]
) -> Float64[np.ndarray, " case"]:
    known = np.isfinite(shadows)
    sides = [known & inside, known & ~inside]
    counts = [side.sum(axis=0) for side in sides]
    totals = [np.where(side, shadows, 0.0).sum(axis=0) for side in sides]
    has_both = (counts[0] > 0) & (counts[1] > 0)
    means = [total / np.maximum(n, 1) for total, n in zip(totals, counts, strict=True)]
    squares = sum(
        np.where(side, np.square(shadows - mean), 0.0).sum(axis=0) for side, mean in zip(sides, means, strict=True)
    )
    variance = np.maximum(squares / np.maximum(counts[0] + counts[1] - 2, 1), _FLOOR)
    ratio = (np.square(target - means[1]) - np.square(target - means[0])) / (2 * variance)
    return np.where(has_both, ratio, np.nan)
