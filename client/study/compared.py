"""This site's cases beside the other sites', from the statistics that all share: told here, and to nobody else.

The shared mean and spread hold this site's own cases too, and a site far off draws them after it: of three sites of one
size none can lie more than 1.4 of the shared standard deviations from the shared mean. So its own part is taken out.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from logging import getLogger

import numpy as np
from jaxtyping import Float64

from client.node.complaints import COMPLAINT
from client.node.home import Home
from modalities.core.contract import State, Sums
from modalities.core.files.atomic import write_json
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem, warning
from modalities.core.registry import plugin
from modalities.core.site.store import SiteData

FAR_SDS = 4.0
"""Means so many pooled standard deviations apart are told: of 8 cases and more, sites of TCGA-BRCA are 1.9 apart at
most, METABRIC's cohorts 3.8 (one is of stage 0 alone), four heart centres 3.9 (one wrote 0 for a cholesterol not
measured)."""
FAR_SPREADS = 100.0
"""And spreads of which one is so many times the other: 63 at most there (of the area of necrosis, rare but large)."""
LEAST_CASES = 8
"""Here and elsewhere, with a value: the mean of fewer is somebody's."""
_LOG = getLogger("tessera.client.data")
_REMEDY = "compare unit and column with what the study agreed on, and see `tessera-client check`"
_Numbers = Float64[np.ndarray, " feature"]


@dataclass(frozen=True)
class Apart:
    """A feature in which this site lies far from the others."""

    feature: str
    here: float
    elsewhere: float
    """Mean of the other sites' cases."""
    spread_here: float
    spread_elsewhere: float
    """Standard deviations."""

    def __str__(self) -> str:
        """In a few words."""
        spreads = f"+-{self.spread_here:.3g} here, {self.elsewhere:.3g} +-{self.spread_elsewhere:.3g} elsewhere"
        return f"{self.feature} ({self.here:.3g} {spreads})"


def apart_from_others(own: Sums, state: State, n_total: int, features: Sequence[str]) -> list[Apart]:
    """The features whose mean or spread lies far from the other sites'; the farthest first.

    With m and v the shared mean and variance of N cases, of which n are this site's, with mean a: the others' mean is
    (N m - n a) / (N - n), and their mean square likewise. `n_total` is 0 where the statistics hold none of its cases.
    N is of cases: where some lack the feature, too little is taken out, and fewer features are told.
    """
    if not {"n", "sum", "square"} <= own.keys() or not {"mean", "inverse_scale"} <= state.keys():
        return []
    n, mean = own["n"], np.asarray(state["mean"], dtype=np.float64)
    inverse = np.asarray(state["inverse_scale"], dtype=np.float64)
    if n.shape != mean.shape:
        return []
    known = np.maximum(n, 1.0)
    here, square = own["sum"] / known, own["square"] / known
    scale = np.divide(1.0, inverse, out=np.zeros_like(inverse), where=inverse > 0)
    share = np.minimum(n / n_total, 1.0) if n_total else np.zeros_like(n)
    rest = np.where(share < 1, 1 - share, 1.0)
    elsewhere = (mean - share * here) / rest
    variance = ((scale**2 + mean**2) - share * square) / rest - elsewhere**2
    spreads = np.sqrt(np.maximum(square - here**2, 0.0)), np.sqrt(np.maximum(variance, 0.0))
    enough = (n >= LEAST_CASES) & ((n_total == 0) | (n_total - n >= LEAST_CASES)) & (inverse > 0)
    distance = np.where(enough, _distance(here - elsewhere, *spreads), 0.0)
    return [
        Apart(_named(features, place), *(float(one[place]) for one in (here, elsewhere, *spreads)))
        for place in np.argsort(-distance, kind="stable").tolist()
        if distance[place] >= 1
    ]


def compare(
    home: Home | None, data: SiteData, shared: Mapping[str, tuple[State, int]], own: Mapping[str, Sums]
) -> None:
    """Tell a real site, in its log, by `status` and by `check`, where it lies far from the others; and nobody else.

    `shared` has each modality's statistics, and how many training cases of all sites they are of, 0 where nobody says;
    `own` is this site's part of them. Without either only a site that evaluates is compared, of whom they hold nothing.
    Under an epsilon they are public scales.
    """
    if home is None or data.federation.privacy.epsilon:
        return
    found: dict[str, list[Apart]] = {}
    for name, (state, n_total) in shared.items():
        config = data.federation.modalities[name]
        if data.config.only_evaluates:
            with suppress(ValueError):  # what is wrong with its files, the evaluation will say
                cases = data.tests(name)
                found[name] = apart_from_others(plugin(config.kind).sums(cases, config), state, 0, cases.features)
        elif n_total and name in own:
            found[name] = apart_from_others(own[name], state, n_total, config.known_features)
    if not found:
        return
    plain = {name: [asdict(one) for one in apart] for name, apart in found.items()}
    with suppress(OSError):  # a full disk stops no study
        write_json(home.compared, {"study": data.federation.digest, "apart": plain})
    for problem in _problems(found):
        _LOG.warning("%s", problem, extra=COMPLAINT)


def compared_problems(home: Home, study: str) -> list[Problem]:
    """What was found when this site last took part in the study of these settings."""
    try:
        kept = json.loads(home.compared.read_text(encoding="utf-8"))
        found = {name: [Apart(**one) for one in apart] for name, apart in kept["apart"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return _problems(found) if kept.get("study") == study else []


def _problems(found: Mapping[str, Sequence[Apart]]) -> list[Problem]:
    return [
        warning(
            f"{len(apart)} features lie far from the other sites' (means {FAR_SDS:g} standard deviations apart, or "
            f"one spread {FAR_SPREADS:g} times the other): {listing(list(map(str, apart)))}: another unit or column",
            _REMEDY,
            file=name,
        )
        for name, apart in found.items()
        if apart
    ]


def _distance(difference: _Numbers, here: _Numbers, elsewhere: _Numbers) -> _Numbers:
    """1 and more is far: the means by the pooled standard deviation, or the spreads by each other."""
    pooled = np.sqrt((here**2 + elsewhere**2) / 2)
    varies = pooled > 0
    means = np.divide(np.abs(difference), pooled, out=np.zeros_like(pooled), where=varies) / FAR_SDS
    small, large = np.minimum(here, elsewhere), np.maximum(here, elsewhere)
    spreads = np.divide(large, small, out=np.zeros_like(pooled), where=small > 0) / FAR_SPREADS
    return np.maximum(means, spreads)


def _named(features: Sequence[str], place: int) -> str:
    """A feature's name; an input that is one of several of a feature has the feature's."""
    return features[place % len(features)] if features else f"feature {place + 1}"
