"""From what every study's views said of every case to what an attacker knows: results of a table's rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from simulations.attack.measure import measured
from simulations.attack.membership import likelihood_ratios
from simulations.attack.views import COUNTS, INPUTS, MEMBERS, Arrays
from simulations.scores.metrics import Estimate, estimate, weighted_auroc

LEAST_CASES = 10
"""Of a row: fewer say nothing."""


def judged(studies: Sequence[Arrays], anew: Bool[np.ndarray, "draw target case"], seed: int) -> dict[str, Any]:
    """By modality and view: each attack, and `control`: the AUC of guessing, mean and the middle 95 % of many draws.

    Args:
        studies: what was seen of each, of which the first are attacked.
        anew: by draw, for each that is attacked, halves that no study learned from: the same scores are held against
            them. So far from .5 an AUC may be by chance.
        seed: of the intervals.
    """
    members, targets = np.stack([study[MEMBERS] for study in studies]), anew.shape[1]
    inside = members[:targets]
    found: dict[str, Any] = {}
    for key in studies[0]:
        modality, _, view = key.partition("/")
        if not view or modality in (COUNTS, INPUTS):
            continue
        seen = np.stack([study[key] for study in studies])
        ratios = likelihood_ratios(seen, members, range(targets))
        if np.isfinite(ratios).any(axis=0).sum() < LEAST_CASES:
            continue
        found.setdefault(modality, {})[view] = {
            "threshold": measured(np.where(np.isfinite(ratios), seen[:targets], np.nan), inside, seed),
            "likelihood_ratio": measured(ratios, inside, seed),
            "control": _by_chance(ratios, anew),
        }
    return found


def _by_chance(ratios: np.ndarray, anew: Bool[np.ndarray, "draw target case"]) -> Estimate:
    known = np.isfinite(ratios)
    once = np.ones((1, int(known.sum())))
    draws = np.array([weighted_auroc(ratios[known], inside[known], once)[0] for inside in anew])
    return estimate(np.append(draws.mean(), draws))


def counted(studies: Sequence[Arrays]) -> dict[str, Any]:
    """By modality and view: how far off the guess of a site's cases by class is, a class and site on average.

    `site` is of one site (its share of the group's guess), `group` of the group, and `exact` the share of sites whose
    every class is right once rounded. `prior` is the error of who knows only the study's classes and the site's size.
    """
    found: dict[str, Any] = {}
    for key in studies[0]:
        kind, _, rest = key.partition("/")
        if kind == COUNTS:
            modality, _, view = rest.partition("/")
            every = np.stack([study[key] for study in studies])
            every[~np.isfinite(every[:, :, 0]).all(axis=2)] = np.nan
            true, guess, off = every[:, :, 0], every[:, :, 1], every[:, :, 2]
            shares = np.nansum(true, axis=1, keepdims=True)
            prior = shares / shares.sum(axis=2, keepdims=True) * true.sum(axis=2, keepdims=True)
            known = np.isfinite(true).all(axis=2)
            exact = (np.rint(guess) == true).all(axis=2)[known]
            found.setdefault(modality, {})[view] = {
                "site": float(np.abs(guess - true)[known].mean()),
                "by_class": np.abs(guess - true)[known].mean(axis=0).tolist(),
                "group": float(np.abs(off)[known].mean()),
                "exact": float(exact.mean()),
                "prior": float(np.abs(prior - true)[known].mean()),
            }
    return found


def left_out(sums: Sequence[int], holders: Mapping[str, int]) -> dict[str, list[int]]:
    """Sizes of groups that a modality has too few sites for."""
    found = {name: [size for size in sums if size > n] for name, n in holders.items()}
    return {name: sizes for name, sizes in found.items() if sizes}
