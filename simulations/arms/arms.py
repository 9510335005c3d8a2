"""The arms of the comparison, each on one outer fold."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from client.alone.model import fit_pooled
from client.study.session import site_folders
from modalities.core.fields import AUTO
from modalities.core.settings.federation import Federation
from modalities.core.site.store import SiteData
from server.phases.options import Options
from server.phases.order import run_study
from server.state.checkpoint import CHECKPOINT
from server.state.release import fitted_model, read_release, write_release
from server.state.study import StudyState
from simulations.arms.alone import sites_alone
from simulations.arms.evaluated import gathered
from simulations.arms.heads import federated_search, score_heads
from simulations.arms.held_out import outputs_by_site, pooled_by_site, thresholds_by_site
from simulations.arms.reference import score_reference
from simulations.arms.scoring import TestCases, fill_with_prior, score, score_prior, test_cases
from simulations.cohorts.cohort import FEDERATION
from simulations.engines.flower import run_in_flower
from simulations.engines.inline import grid_over
from simulations.engines.machine import side_by_side
from simulations.scores.predictions import LOCAL
from strategies.settings import load_federation

RELEASE = "release"
PRIVATE = "private-"
"""How the arms under differential privacy are called: private-8, whose settings stand in private-8.yaml."""


@dataclass(frozen=True)
class Fold:
    """One outer fold on disk: `folder`/sites holds its site folders; `root` the experiment's federation.yaml."""

    root: Path
    folder: Path
    engine: str = "inline"
    heads: tuple[str, ...] = ()
    """Fusion heads to fit beside the one that the settings name."""
    device: str = AUTO
    """Where its sites compute: `resources.device` of each site.yaml."""

    @property
    def sites(self) -> Path:
        """Where the site folders are."""
        return self.folder / "sites"

    @property
    def outside(self) -> Path:
        """Where those of an external cohort are, if there is one: every arm scores their cases, none learns of them."""
        return self.folder / "outside"

    def opened(self, federation: Federation) -> list[SiteData]:
        """The sites."""
        return [SiteData(folder, federation) for folder in site_folders(self.sites)]

    def training(self, federation: Federation) -> list[SiteData]:
        """Those of them that train: all but the held-out ones, where whole sites are."""
        return [site for site in self.opened(federation) if not site.config.only_evaluates]

    def opened_outside(self, federation: Federation) -> list[SiteData]:
        """The external sites; none in a fold without such."""
        return [SiteData(folder, federation) for folder in site_folders(self.outside)] if self.outside.is_dir() else []

    def tested(self, federation: Federation) -> TestCases:
        """The cases that every arm scores: the external ones where there are any, and else the sites' test cases."""
        return test_cases(self.opened_outside(federation) or self.opened(federation), federation)


@dataclass(frozen=True)
class ArmResult:
    """What an arm gives: predictions, and how they came about."""

    predictions: pd.DataFrame
    details: dict[str, Any] = field(default_factory=dict)
    heads: pd.DataFrame | None = None
    """Fused predictions with a column `head`, where heads are compared."""


def run_arm(arm: str, fold: Fold) -> ArmResult:
    """One arm on one fold."""
    started = time.perf_counter()
    with side_by_side():
        settings = fold.root / (f"{arm}.yaml" if arm.startswith(PRIVATE) else FEDERATION)
        federation = load_federation(settings)
        sites = fold.training(federation)
        run = partial(_private, arm, settings) if arm.startswith(PRIVATE) else _ARMS[arm]
        result = run(federation, sites, fold.tested(federation), fold)
    result.details["seconds"] = time.perf_counter() - started
    return result


def _centralised(federation: Federation, sites: list[SiteData], tested: TestCases, fold: Fold) -> ArmResult:
    fitted = fit_pooled(sites, federation, "centralised")
    details: dict[str, Any] = {
        "head": fitted.model.head_name,
        "curves": {name: [None, *curve] for name, curve in fitted.curves.items()},
        "stopped": dict(fitted.stopped),
        "conformal": thresholds_by_site(fitted.model, pooled_by_site(fitted.held_out, sites)),
    }
    heads = None
    if fold.heads:
        prior = score_prior(sites, tested, "centralised")
        heads, details["heads"] = score_heads(fold.heads, fitted.search, fitted.model, tested, prior)
    return ArmResult(_complete(score(fitted.model, tested, "centralised"), sites, tested, subsets=True), details, heads)


def _federated(federation: Federation, sites: list[SiteData], tested: TestCases, fold: Fold) -> ArmResult:
    is_evaluated = not fold.outside.is_dir()  # else the sites have no test case
    study = federate(
        federation, fold.root / FEDERATION, fold.sites, fold.folder / "federated", fold.engine, evaluates=is_evaluated
    )
    model = fitted_model(study, fold.device)
    details: dict[str, Any] = {
        "head": study.head_name,
        "curves": {name: progress.curve for name, progress in study.progress.items()},
        "stopped": {name: progress.stop.best_round for name, progress in study.progress.items()},
        "bytes": study.traffic.table(),
        "notes": [note._asdict() for note in study.notes],
        "fusion_rounds": study.fusion_rounds,
        "conformal": thresholds_by_site(model, outputs_by_site(study, sites)),
        "evaluation": gathered(study),
    }
    heads = None
    if fold.heads:
        search, traffic = federated_search(study, fold.sites)
        prior = score_prior(sites, tested, "federated")
        heads, details["heads"] = score_heads(fold.heads, search, model, tested, prior, traffic)
    return ArmResult(_complete(score(model, tested, "federated"), sites, tested, subsets=True), details, heads)


def _private(
    arm: str, settings: Path, federation: Federation, sites: list[SiteData], tested: TestCases, fold: Fold
) -> ArmResult:
    """The federated arm again, under an epsilon; nothing is held out that could tell of its curves."""
    study = federate(federation, settings, fold.sites, fold.folder / arm, fold.engine)
    details = {"head": study.head_name, "bytes": study.traffic.table(), "notes": [one._asdict() for one in study.notes]}
    return ArmResult(
        _complete(score(fitted_model(study, fold.device), tested, "federated"), sites, tested, subsets=True), details
    )


def federate(
    federation: Federation,
    settings: Path,
    sites: Path,
    out: Path,
    engine: str,
    start: StudyState | None = None,
    evaluates: bool = False,
) -> StudyState:
    """A whole federated study over these site folders, in this process or in Flower's engine; resumes what stands.

    One in Flower's engine is evaluated in any case, and its sites train models of their own for that.
    """
    n_sites = len(site_folders(sites))
    if engine == "flower":
        if start is not None and not (out / CHECKPOINT).is_file():
            start.save(out / CHECKPOINT)  # the run goes on from it: its frozen branches are not trained
        if not (out / RELEASE / "model.json").is_file():
            run_in_flower(settings, sites, out, n_sites)
        read_release(out / RELEASE)
        return StudyState.load(out / CHECKPOINT, federation)
    options = Options(checkpoint=out / CHECKPOINT, sites=n_sites, evaluates=evaluates, trains_alone=False)
    study = run_study(grid_over(sites), federation, options, start)
    write_release(out / RELEASE, study)
    return study


def _local(federation: Federation, sites: list[SiteData], tested: TestCases, fold: Fold) -> ArmResult:
    """Each site alone, scored on all test cases; a case it cannot score gets the site's class prior.

    Of many sites only some: see `sites_alone`.
    """
    tables, alone = [], sites_alone(fold.opened(federation))
    for site in sites:
        if site.modalities and site.config.name in alone:
            arm = LOCAL + site.site.name
            fitted = fit_pooled([site], federation, arm)
            tables.append(_complete(score(fitted.model, tested, arm, subsets=False), [site], tested))
    return ArmResult(pd.concat(tables, ignore_index=True))


def _majority(federation: Federation, sites: list[SiteData], tested: TestCases, fold: Fold) -> ArmResult:
    del fold, federation
    return ArmResult(score_prior(sites, tested, "majority"))


def _reference(federation: Federation, sites: list[SiteData], tested: TestCases, fold: Fold) -> ArmResult:
    del fold
    return ArmResult(_complete(score_reference(sites, federation, tested, "reference"), sites, tested))


def _complete(scored: pd.DataFrame, sites: list[SiteData], tested: TestCases, subsets: bool = False) -> pd.DataFrame:
    """What an arm could not score, for want of a branch or of training data, gets the class prior of its sites."""
    return fill_with_prior(scored, score_prior(sites, tested, str(scored["arm"].iloc[0]), subsets))


_ARMS: Mapping[str, Any] = {
    "federated": _federated,
    "local": _local,
    "reference": _reference,
    "centralised": _centralised,
    "majority": _majority,
}
ARM_NAMES = tuple(_ARMS)
