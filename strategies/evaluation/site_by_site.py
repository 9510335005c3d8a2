"""The table of the sites that tell their own results, and what it says of a new hospital."""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from strategies.evaluation.gain import LEAST_POSITIVES
from strategies.evaluation.meta import LEAST_SITES, Meta, meta_auroc, meta_difference
from strategies.evaluation.names import FEDERATED, GAIN, LOCAL, TEST, Arrays, parted, sets_of
from strategies.evaluation.own import AUROC, MACRO, VARIANCE
from strategies.evaluation.pooled import Z, auroc_interval
from strategies.evaluation.results import Estimate, MetaOnSet, OwnOnSet, SiteResult
from strategies.evaluation.tally import N

FEW_HERE = f"fewer than {LEAST_POSITIVES} cases of the class, or of the others"
Told = Mapping[str, Mapping[str, np.ndarray]]
"""Site -> what it told in the clear."""


def site_results(
    told: Told, shares: Mapping[str, str], external: Collection[str], classes: Sequence[str]
) -> dict[str, SiteResult]:
    """A row a site, in order of their names; the results of those that tell them."""
    return {
        site: SiteResult(shares[site], site in external, _own(parted(told.get(site, {})), classes))
        for site in sorted(shares)
    }


def _own(named: Mapping[tuple[str, str, str], Arrays], classes: Sequence[str]) -> dict[str, dict[str, OwnOnSet]]:
    found: dict[str, dict[str, OwnOnSet]] = {}
    for (cases, model, of), own in named.items():
        if cases == TEST and np.isfinite(own[N][0]):
            found.setdefault(model, {})[of] = OwnOnSet(
                n=round(own[N][0]),
                macro_auroc=_estimate(own[MACRO][0], own[MACRO][1], own[N][0], model == GAIN),
                auroc={
                    name: _estimate(own[AUROC][place], own[VARIANCE][place], own[N][0], model == GAIN)
                    for place, name in enumerate(classes)
                },
            )
    return found


def _estimate(value: float, variance: float, n: float, is_difference: bool) -> Estimate:
    if not np.isfinite(value):
        return Estimate(reason=FEW_HERE)
    if is_difference:
        half = Z * float(np.sqrt(variance))
        return Estimate(float(value), float(value) - half, float(value) + half)
    return Estimate(float(value), *auroc_interval(float(value), float(variance), float(n)))


def meta_of(told: Told, modalities: Sequence[str]) -> dict[str, dict[str, MetaOnSet]]:
    """By model, and `gain`, and SET that a site told something of."""
    named = [parted(own) for own in told.values()]
    found: dict[str, dict[str, MetaOnSet]] = {}
    for model in (FEDERATED, LOCAL, GAIN):
        for of in sets_of(modalities):
            rows = [(*own[TEST, model, of][MACRO], own[TEST, model, of][N][0]) for own in named]
            known = np.array([row for row in rows if np.isfinite(row).all()]).reshape(-1, 3)
            if len(known):
                found.setdefault(model, {})[of] = _meta(known, meta_difference if model == GAIN else meta_auroc)
    return found


def _meta(known: np.ndarray, analysed: Callable[[np.ndarray, np.ndarray, np.ndarray], Meta]) -> MetaOnSet:
    if len(known) < LEAST_SITES:
        reason = f"{len(known)} sites tell theirs, and a random-effects analysis takes {LEAST_SITES}"
        return MetaOnSet(Estimate(reason=reason), len(known))
    meta = analysed(known[:, 0], known[:, 1], known[:, 2])
    estimate = Estimate(meta.value, meta.low, meta.high)
    return MetaOnSet(estimate, meta.sites, meta.prediction_low, meta.prediction_high, meta.tau2, meta.i2)
