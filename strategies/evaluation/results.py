"""The numbers that an evaluation ends with, for status, release and report: plain dataclasses, and `to_plain` of each.

What cannot be said is None, and `reason` says why. Every interval is of 95 % unless it says otherwise.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    """Why there is no value."""
    bound: float | None = None
    """Of an AUROC from histograms: how far the exact one lies from the value at most."""


@dataclass(frozen=True)
class ModelOnSet:
    """One model on one SET, all sites' cases together."""

    n: int
    n_by_class: Mapping[str, int]
    """0 for a class that is left out for being small."""
    macro_auroc: Estimate
    """Mean over the classes with an AUROC."""
    auroc: Mapping[str, Estimate]
    """By class, one against rest."""
    auroc_within_sites: Estimate
    """The macro-AUROC of pairs of cases of the same site, whatever sites' scores have to do with each other."""
    balanced_accuracy: Estimate
    accuracy: Estimate
    recall: Mapping[str, Estimate]
    brier: Estimate
    """Summed over classes: 0 to 2."""
    log_loss: Estimate
    ece: Estimate
    """Debiased, of the most probable class."""
    confusion: list[list[int]]
    """True class by predicted class."""
    reliability: list[dict[str, float]]
    """By bin of confidence that has cases: `confidence`, `right` (both means) and `n`."""


@dataclass(frozen=True)
class Gain:
    """Federated minus local on one SET, case by case, over the sites that have both."""

    n: int
    macro_auroc: Estimate
    """Of pairs within sites."""
    auroc: Mapping[str, Estimate]
    balanced_accuracy: Estimate
    brier: Estimate
    """Below 0 where the federated model is better; so is `log_loss`."""
    log_loss: Estimate
    sites: int
    """With a macro-AUROC of both."""
    sites_that_gain: int
    sites_that_lose: int
    margin: float
    equivalence: Mapping[str, float] | None = None
    """`low` and `high` of the 90 % interval, and `p` of the two one-sided tests."""
    verdict: str = ""
    """Of strategies/evaluation/equivalence.py's Verdict; empty without a difference."""


@dataclass(frozen=True)
class OwnOnSet:
    """What one site tells of its own cases."""

    n: int
    macro_auroc: Estimate
    auroc: Mapping[str, Estimate]


@dataclass(frozen=True)
class MetaOnSet:
    """Sites' macro-AUROCs, or their gains, as a random sample of hospitals."""

    macro_auroc: Estimate
    sites: int
    prediction_low: float | None = None
    """95 % of new hospitals lie from here on."""
    prediction_high: float | None = None
    tau2: float | None = None
    i2: float | None = None


@dataclass(frozen=True)
class SiteResult:
    """One row of the site-by-site table."""

    shares: str
    """The site's `policy.evaluation`: only a site with `full` tells what follows."""
    is_external: bool
    """It holds no training case of this study."""
    results: Mapping[str, Mapping[str, OwnOnSet]] = field(default_factory=dict)
    """By model, and `gain`, and SET; over test cases."""


Results = Mapping[str, Mapping[str, ModelOnSet]]
"""By model and SET."""


@dataclass(frozen=True)
class EvaluationResults:
    """All of it."""

    test: Results
    out_of_fold: Results
    """Over the training cases, each seen by copies that did not train on it."""
    gain: Mapping[str, Mapping[str, Gain]]
    """`test` and `out_of_fold` -> SET."""
    sites: Mapping[str, SiteResult]
    meta: Mapping[str, Mapping[str, MetaOnSet]]
    """By model, and `gain`, and SET; over the test cases of the sites that tell theirs."""

    def to_plain(self) -> dict[str, Any]:
        """As in a release: the models on the test cases stand on top; of sites that tell nothing, how many they are."""
        plain = asdict(self)
        told = {site: own for site, own in plain.pop("sites").items() if own["results"]}
        policies = Counter(own.shares for own in self.sites.values())
        return {**plain.pop("test"), **plain, "sites": told, "sites_by_policy": dict(policies)}
