"""The commands that are studies of their own: representations, convergence, robustness."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import typer
from pydantic import Field
from rich.table import Table

from modalities.core.console import console
from modalities.core.device import processors
from modalities.core.fields import Count, Whole, settings
from modalities.core.problems import check
from simulations.cohorts.inputs import federation_of, names_in, tcga_cohort, tcga_federation
from simulations.cohorts.synthetic import make_cohort
from simulations.commands.options import Data, Folds, Out, Seed, Settings
from simulations.commands.show import show_files, show_section
from simulations.commands.study_file import Command, carry_out, split
from simulations.engines.cluster import RayCluster
from simulations.engines.hostile import ATTACKS
from simulations.report.sections import representations as forms
from simulations.report.sections.convergence import convergence_section
from simulations.report.sections.robustness import robustness_section
from simulations.studies.convergence import ConvergencePlan
from simulations.studies.experiment import Protocol
from simulations.studies.recipes import recipe_of
from simulations.studies.representations import MODALITY, REPRESENTATIONS, compare_representations
from simulations.studies.robustness import RobustnessPlan
from simulations.studies.tables import Tables, convergence_study, robustness_study
from strategies.settings import federation_from

_MODALITIES = "cnv,clinical,hif"


@settings
class Representations(Command):
    """Copy number in several forms."""

    NAME: ClassVar[str] = "representations"

    data: str = ""
    """As for tcga; without it, made-up sites."""
    values: Annotated[list[Literal["arms", "calls", "log2"]], Field(min_length=1)] = field(
        default_factory=lambda: [*REPRESENTATIONS]
    )
    """Forms of copy number."""
    sites: Annotated[int, Field(ge=2)] = 6
    cases: Annotated[int, Field(ge=12)] = 90
    cv: Literal["random", "sites", "preserved"] = "random"
    folds: Annotated[int, Field(ge=2)] = 5
    min_site: Whole = 20
    sites_by: str = ""
    workers: Whole | RayCluster = 0

    def run(self, raw: Mapping[str, Any], out: Path) -> None:
        """Every form on the same folds."""
        section = raw["modalities"][MODALITY]
        federations = {
            name: federation_from({**raw, "modalities": {MODALITY: {**section, "values": name}}})
            for name in self.values
        }
        first = next(iter(federations.values()))
        if self.data:
            sites_by = Path(self.sites_by) if self.sites_by else None
            cohort = tcga_cohort(Path(self.data), first, self.min_site, sites_by, out / "sites")
        else:
            cohort = make_cohort(first, out / "sites", self.sites, self.cases)
        protocol = Protocol("tcga" if self.data else "synthetic", first.seed, self.cv, self.folds)
        results = compare_representations(cohort, federations, protocol, out, self.workers or processors(), console)
        table = Table(*forms.HEADER, *forms.HEADER_COMMON, title="macro-AUROC of copy number, out of fold")
        for name, one in results["representations"].items():
            table.add_row(*forms.row_of(name, one))
        console.print(table)
        show_files(out)


@settings
class OfTables(Command):
    """A study on some of the outer folds of public tables."""

    NEEDED: ClassVar[tuple[str, ...]] = ("data",)
    FREE: ClassVar[tuple[str, ...]] = ("use", "strategies", "rounds", "patience", "rules", "attacks", "hostile")

    data: str = ""
    min_site: Whole = 20
    folds: Annotated[int, Field(ge=2)] = 5
    use: Count = 1
    """Outer folds that are run, from the first on."""

    def __post_init__(self) -> None:
        check([f"use must be from 1 to the {self.folds} folds, got {self.use}"] * (self.use > self.folds))

    def tables(self, raw: Mapping[str, Any]) -> Tables:
        """What the study runs on."""
        return Tables(Path(self.data), federation_from(raw), self.min_site, self.folds, self.use)


@settings
class Convergence(OfTables):
    """Strategies, round by round."""

    NAME: ClassVar[str] = "convergence"

    strategies: list[str] = field(
        default_factory=lambda: ["default", "fedavg", "fedprox", "fedavgm", "fedadagrad", "fedadam", "fedyogi"]
    )
    """fedadam+fedmedian: its step on the median; default: each modality's own setting."""
    rounds: Annotated[int, Field(ge=2)] = ConvergencePlan.rounds
    patience: Count = ConvergencePlan.patience

    def __post_init__(self) -> None:
        super().__post_init__()
        for strategy in self.strategies:
            recipe_of(strategy)

    def run(self, raw: Mapping[str, Any], out: Path) -> None:
        """Held-out loss and test AUROC by round."""
        plan = ConvergencePlan(tuple(self.strategies), self.rounds, self.patience)
        show_section(convergence_section(convergence_study(self.tables(raw), plan, out, console)), out)


@settings
class Robustness(OfTables):
    """One hostile site, rule by rule."""

    NAME: ClassVar[str] = "robustness"

    min_site: Whole = 18
    rules: list[str] = field(
        default_factory=lambda: ["fedadam", "fedavg", "fedadam+fedmedian", "fedadam+fedtrimmedavg"]
    )
    """Strategies; the first is what others are held against."""
    attacks: list[str] = field(default_factory=lambda: ["scaled", "negated", "random"])
    hostile: str = ""
    """The hostile site; empty: the one with the most cases."""

    def __post_init__(self) -> None:
        super().__post_init__()
        RobustnessPlan(tuple(self.rules), tuple(self.attacks), self.hostile)
        for rule in self.rules:
            recipe_of(rule)

    def run(self, raw: Mapping[str, Any], out: Path) -> None:
        """Fused macro-AUROC with and without each attack."""
        plan = RobustnessPlan(tuple(self.rules), tuple(self.attacks), self.hostile)
        show_section(robustness_section(robustness_study(self.tables(raw), plan, out, console)), out)


def representations(
    out: Out,
    data: Annotated[Path | None, typer.Option(help="As for tcga; without it, made-up sites.")] = None,
    folds: Folds = Representations.folds,
    seed: Seed = None,
    settings: Settings = None,
) -> None:
    """Copy number by chromosome arm and by gene on the same folds: macro-AUROC beside the bytes of a round."""
    own, rest = split(Representations, settings)
    federation = federation_of([MODALITY], {}, seed or 0, rest)
    carry_out(Representations, {"data": data, "folds": folds, **own}, federation.to_dict(), out)


def convergence(
    data: Data,
    out: Out,
    strategies: Annotated[
        str | None, typer.Option(help="Comma-separated; fedadam+fedmedian: one on the other.")
    ] = None,
    use: Annotated[int, typer.Option(help="Outer folds that are run, from the first on.")] = Convergence.use,
    settings: Settings = None,
) -> None:
    """Each strategy's held-out loss and test AUROC by round, where the stopping rule stops it, and the gap there."""
    own, rest = split(Convergence, settings)
    given = {"data": data, "use": use, "strategies": names_in(strategies or "") or None}
    carry_out(Convergence, {**given, **own}, _settings(rest), out)


def robustness(
    data: Data,
    out: Out,
    rules: Annotated[str | None, typer.Option(help="Comma-separated strategies; the first is the reference.")] = None,
    attacks: Annotated[str | None, typer.Option(help=f"Comma-separated, of {', '.join(ATTACKS)}.")] = None,
    use: Annotated[int, typer.Option(help="Outer folds that are run, from the first on.")] = Robustness.use,
    settings: Settings = None,
) -> None:
    """What one site that sends poisoned weights does to the fused prediction, under means and under robust rules."""
    own, rest = split(Robustness, settings)
    given = {"data": data, "use": use, "rules": names_in(rules or "") or None}
    carry_out(Robustness, {**given, "attacks": names_in(attacks or "") or None, **own}, _settings(rest), out)


def _settings(dotted: list[str]) -> dict[str, Any]:
    return tcga_federation(None, None, dotted, modalities=_MODALITIES, clinical=None).to_dict()
