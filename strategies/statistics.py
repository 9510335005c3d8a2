"""The statistics phase at the server: sums from the sites, checked, then added."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from strategies.checks import CLASS_COUNTS, Refusal
from strategies.wire import Weights

_TOLERANCE = 1e-6


def add_sums(
    parts: Sequence[tuple[str, Weights]], cohorts: Mapping[str, int], part: str
) -> tuple[Weights, list[Refusal]]:
    """The sums of all sites together, and a refusal for each that cannot be right; `parts` is (site, sums)."""
    problems = [_problem(sums, cohorts[site]) for site, sums in parts]
    sound = [_signature(sums) for (_, sums), problem in zip(parts, problems, strict=True) if not problem]
    usual = Counter(sound).most_common(1)
    total: Weights = {}
    refused = []
    for (site, sums), problem in zip(parts, problems, strict=True):
        differs = not problem and _signature(sums) != usual[0][0]
        reason = problem or "other names or shapes than most sites: the agreed lists differ" * differs
        if reason:
            refused.append(Refusal(site, part, reason))
            continue
        total = {name: array + total[name] if total else array.copy() for name, array in sums.items()}
    return total, refused


def _signature(sums: Weights) -> tuple:
    return tuple(sorted((name, array.shape) for name, array in sums.items()))


def _problem(sums: Weights, cohort: int) -> str:
    """Why these sums cannot be right; empty if they can."""
    if not sums:
        return "no arrays"
    for name, array in sums.items():
        if array.dtype != np.float64 or not np.isfinite(array).all():
            return f"{name} is not finite float64"
    if (sums.get(CLASS_COUNTS, np.zeros(1)) < 0).any():
        return "negative counts"
    n = sums.get("n")
    if n is not None and ((n < 0).any() or (n > cohort).any()):
        return f"counts outside 0 to the {cohort} cases announced"
    if n is not None and {"sum", "square"} <= sums.keys():
        known = np.maximum(n, 1)
        variance = sums["square"] / known - np.square(sums["sum"] / known)
        if (variance < -_TOLERANCE * np.maximum(sums["square"] / known, 1)).any():
            return "a negative variance"
    return ""
