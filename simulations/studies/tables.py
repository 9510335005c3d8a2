"""The studies that have commands of their own: folds of public tables, one study on them, results.json and report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from modalities.core.console import progress_of
from modalities.core.files.atomic import write_json
from modalities.core.settings.federation import Federation
from simulations.arms.arms import Fold
from simulations.cohorts.cohort import with_features_of_data
from simulations.cohorts.inputs import notes_of, tcga_cohort
from simulations.report.build import write_study
from simulations.studies.convergence import CENTRALISED, ConvergencePlan, run_convergence
from simulations.studies.experiment import Protocol, prepare_folds
from simulations.studies.lacks import say_what_sites_lack
from simulations.studies.robustness import RobustnessPlan, run_robustness


@dataclass(frozen=True)
class Tables:
    """Public tables, and how they are dealt out to sites and folds."""

    data: Path
    federation: Federation
    min_site: int
    folds: int
    """Outer folds that are made."""
    used: int
    """Outer folds that are run, from the first on."""


def convergence_study(tables: Tables, plan: ConvergencePlan, out: Path, console: Console) -> Mapping[str, Any]:
    """The convergence study of these tables."""
    folds = _folds(tables, "convergence", out, console)
    steps = (len(plan.strategies) + 1) * len(folds)
    found = _with_progress(CENTRALISED, steps, console, lambda tell: run_convergence(folds, plan, out, tell))
    return _write({"convergence": found}, "Convergence by strategy", tables, out)


def robustness_study(tables: Tables, plan: RobustnessPlan, out: Path, console: Console) -> Mapping[str, Any]:
    """The hostile-site study of these tables."""
    folds = _folds(tables, "robustness", out, console)
    steps = len(plan.rules) * (len(plan.attacks) + 1) * len(folds)
    found = _with_progress("studies", steps, console, lambda tell: run_robustness(folds, plan, out, tell))
    return _write({"robustness": found}, "One hostile site", tables, out)


def _folds(tables: Tables, name: str, out: Path, console: Console) -> list[Fold]:
    cohort = tcga_cohort(tables.data, tables.federation, tables.min_site, None, out / "sites")
    federation = with_features_of_data(tables.federation, cohort, out)
    protocol = Protocol(name, federation.seed, "random", tables.folds, notes=notes_of(federation))
    folds = prepare_folds(cohort, federation, protocol, out)[: tables.used]
    say_what_sites_lack(folds[0], federation, console)
    return folds


def _with_progress(
    first: str, steps: int, console: Console, run: Callable[[Callable[[str], None]], dict[str, Any]]
) -> dict[str, Any]:
    with progress_of(console) as progress:
        bar = progress.add_task(first, total=steps)
        return run(lambda done: progress.update(bar, advance=1, description=done))


def _write(results: Mapping[str, Any], title: str, tables: Tables, out: Path) -> Mapping[str, Any]:
    write_json(out / "results.json", results)
    names = ",".join(tables.federation.modalities)
    lead = f"{names} of public tables, {tables.used} of {tables.folds} outer folds, seed {tables.federation.seed}."
    write_study(results, title, lead, out)
    return results
