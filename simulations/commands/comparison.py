"""The commands that compare every arm on the same folds: demo, synthetic, tcga."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pandas as pd
import typer
from pydantic import Field, StrictFloat

from modalities.core.console import console
from modalities.core.device import device_problems, processors
from modalities.core.fields import AUTO, Count, Device, ShareBelowOne, Whole, settings
from modalities.core.problems import check
from modalities.core.settings.federation import Federation
from simulations.arms.heads import heads_named
from simulations.cohorts.cohort import EXTERNAL, FEDERATION, Cohort
from simulations.cohorts.given import digest_of_file, given_folds
from simulations.cohorts.inputs import (
    federation_of,
    federation_of_file,
    names_in,
    notes_of,
    numbers_in,
    tcga_cohort,
    tcga_federation,
)
from simulations.cohorts.synthetic import DEMO_MODALITIES, SETTINGS, TABLES, make_cohort
from simulations.commands.options import MASKED, Cv, Data, Folds, Masking, Out, Seed, Settings, Settled, Small
from simulations.commands.show import show, show_series
from simulations.commands.study_file import STUDY, Command, carry_out, split
from simulations.engines.cluster import RayCluster
from simulations.studies.comparison import run_comparison
from simulations.studies.coupling import keep_split
from simulations.studies.experiment import PLAN, Protocol
from simulations.studies.series import plan_of, run_series
from strategies.settings import federation_from, load_federation

_SMALL = {"training": {"epochs": 15}, "federated": {"rounds": 15}}


@settings
class Comparison(Command):
    """Every arm on the same folds, with the options that all such commands have."""

    cv: Literal["random", "sites", "preserved"] = "random"
    folds: Annotated[int, Field(ge=2)] = 5
    heads: list[str] = field(default_factory=list)
    """Fusion heads to print side by side."""
    engine: Literal["inline", "flower"] = "inline"
    """`inline` (this process) or `flower` (Flower's simulation engine)."""
    workers: Whole | RayCluster = 0
    """Arms and folds run side by side; 0: one a processor; `ray` or `ray:HOST:PORT`: on a Ray cluster."""
    device: Device = AUTO
    """Where branches are trained, as `resources.device` of site.yaml: auto, cpu, cuda."""
    release: str = ""
    """Where the release of the first fold's federated study is kept too."""

    def __post_init__(self) -> None:
        heads_named(self.heads)
        check(replace(problem, file="", where="device") for problem in device_problems(self.device))

    @property
    def busy(self) -> int | str:
        """How many processes run side by side, or which cluster."""
        return self.workers or processors()

    def protocol(self, name: str, seed: int, **more: Any) -> Protocol:
        """How the comparison is made."""
        own = {"engine": self.engine, "heads": tuple(self.heads), "device": self.device}
        return Protocol(name, seed, self.cv, self.folds, **own, **more)

    def compare(
        self,
        cohort: Cohort,
        federation: Federation,
        protocol: Protocol,
        out: Path,
        external: Cohort | None = None,
        given: pd.Series | None = None,
    ) -> None:
        """Run every arm on every fold, and show what came of it."""
        found = run_comparison(cohort, federation, protocol, out, self.busy, external, console, given)
        if self.release:
            shutil.copytree(found.release(), self.release, dirs_exist_ok=True)
            keep_split(Path(self.release), out / "folds" / "1" / "sites", load_federation(out / FEDERATION))
        show(found.results, out)


@settings
class Synthetic(Comparison):
    """Made-up sites."""

    NAME: ClassVar[str] = "synthetic"

    name: str = "synthetic"
    """In the report's protocol."""
    folds: Annotated[int, Field(ge=2)] = 3
    sites: Annotated[int, Field(ge=2)] = 6
    cases: Annotated[int, Field(ge=6)] = 90
    """A site, about."""
    permute_labels: bool = False
    """Break the link between labels and data: every arm must be at .5."""

    def refuse(self, out: Path) -> None:
        """The demo's folder has a name that may be taken."""
        if (
            self.name == "demo"
            and out.exists()
            and any(out.iterdir())
            and not any((out / begun).exists() for begun in (PLAN, STUDY))
        ):
            raise ValueError(f"{out} holds something else; choose another --out")

    def run(self, raw: Mapping[str, Any], out: Path) -> None:
        """Make the sites up, and compare."""
        federation = federation_from(raw)
        cohort = make_cohort(federation, out / "sites", self.sites, self.cases, self.permute_labels, processors())
        protocol = self.protocol(self.name, federation.seed, labels_permuted=self.permute_labels)
        self.compare(cohort, federation, protocol, out)


@settings
class Tcga(Comparison):
    """Public tables."""

    NAME: ClassVar[str] = "tcga"
    NEEDED: ClassVar[tuple[str, ...]] = ("data",)

    data: str = ""
    min_site: Whole = 20
    """Sites with fewer usable cases are pooled as `other`."""
    sites_by: str = ""
    """Another grouping: a CSV with the site code in the first column and the group in `site`."""
    missing_rates: Annotated[list[ShareBelowOne], Field(min_length=1)] = field(default_factory=lambda: [0.0])
    """Share of (site, modality) pairs hidden from training; several rates run each."""
    repeats: Count = 1
    """Seeds: each a run of its own, with its own folds."""
    folds_file: str = ""
    """The outer folds: a CSV or TSV of case and fold or split; it also says how many there are."""
    folds_column: str = ""
    """Which of its columns, where several could be."""
    external: str = ""
    """A second data folder, only ever scored."""
    epsilons: list[Annotated[StrictFloat, Field(gt=0, le=50)]] = field(default_factory=list)
    """Differential privacy under which the federated arm is run again, beside the one without."""
    private: dict[str, Any] = field(default_factory=dict)
    """Settings of those runs alone, over every modality's preset `private`."""

    def __post_init__(self) -> None:
        """Check the heads, and what belongs to one run only."""
        super().__post_init__()
        rates = self.missing_rates
        is_series = self.repeats > 1 or len(rates) > 1
        check(
            [f"missing_rates: give each rate once, got {rates}"] * (len(set(rates)) < len(rates))
            + [f"epsilons: give each once, got {self.epsilons}"] * (len(set(self.epsilons)) < len(self.epsilons))
            + ["private: settings of runs with an epsilon, and none is asked for: give --epsilon"]
            * (bool(self.private) and not self.epsilons)
            + ["give --repeats or a list of --missing-rate, not both: each run would be made many times"]
            * (self.repeats > 1 and len(rates) > 1)
            + ["--external and --release are of one run: leave out --repeats and lists of --missing-rate"]
            * (is_series and bool(self.external or self.release))
            + ["--folds-file says the folds: leave out --cv, --repeats and lists of --missing-rate"]
            * (bool(self.folds_file) and (is_series or self.cv != "random"))
            + ["folds_column names a column of --folds-file, and none is given"]
            * (bool(self.folds_column) and not self.folds_file)
        )

    def run(self, raw: Mapping[str, Any], out: Path) -> None:
        """Deal the tables out to sites, and compare; once, or as a series."""
        federation = federation_from(raw)
        protocol = self.protocol(
            "tcga",
            federation.seed,
            missing_rate=self.missing_rates[0],
            notes=notes_of(federation),
            epsilons=tuple(self.epsilons),
            private=self.private,
        )
        cohort = self._cohort(Path(self.data), federation, out / "sites")
        given = None
        if self.folds_file:
            path = Path(self.folds_file)
            given = given_folds(path, self.folds_column, cohort.usable(federation).index, cohort.cases.index)
            protocol = replace(protocol, cv="file", folds=int(given.max()), folds_file=digest_of_file(path))
        if series := plan_of(federation, protocol, self.repeats, self.missing_rates):
            workers = 1 if self.engine == "flower" else self.busy
            show_series(run_series(cohort, series, out, workers, console), out)
            return
        outside = self._cohort(Path(self.external), federation, out / "external", EXTERNAL) if self.external else None
        self.compare(cohort, federation, protocol, out, outside, given)

    def _cohort(self, data: Path, federation: Federation, out: Path, prefix: str = "") -> Cohort:
        sites_by = Path(self.sites_by) if self.sites_by else None
        return tcga_cohort(data, federation, self.min_site, sites_by, out, prefix)


def demo(out: Out = Path("runs/demo"), small: Small = False, settings: Settings = None) -> None:
    """Six made-up hospitals, four modalities, every arm of the comparison: a few minutes from nothing to a report."""
    own, rest = split(Synthetic, settings)
    size = {"name": "demo", "folds": 2 if small else 3, "cases": 50 if small else 90}
    carry_out(Synthetic, {**size, **own}, _made_up(DEMO_MODALITIES, small, 0, rest).to_dict(), out)


def synthetic(
    out: Out,
    federation: Settled = None,
    n_sites: Annotated[int, typer.Option("--sites", help="Made-up sites.")] = Synthetic.sites,
    n_cases: Annotated[int, typer.Option("--cases", help="Cases a site, about.")] = Synthetic.cases,
    folds: Folds = Synthetic.folds,
    permute_labels: Annotated[
        bool, typer.Option("--permute-labels", help="Break the link between labels and data: every arm must be at .5.")
    ] = False,
    small: Small = False,
    modalities: Annotated[
        str | None, typer.Option(help="Comma-separated, cnv,clinical,hif if not given; any other name: a table.")
    ] = None,
    masking: Masking = False,
    settings: Settings = None,
) -> None:
    """Made-up sites in real file formats, compared across all arms."""
    own, rest = split(Synthetic, [*(settings or ()), *MASKED] if masking else settings)
    if federation is not None:
        settled = federation_of_file(federation, None, rest, small=small, modalities=modalities)
    else:
        settled = _made_up(names_in(modalities or ",".join(TABLES)), small, 0, rest)
    given = {"sites": n_sites, "cases": n_cases, "folds": folds, "permute_labels": permute_labels}
    carry_out(Synthetic, {**given, **own}, settled.to_dict(), out)


def tcga(
    data: Data,
    out: Out,
    federation: Settled = None,
    modalities: Annotated[
        str | None, typer.Option(help="Comma-separated, cnv,clinical if not given; a name that is no plug-in: a table.")
    ] = None,
    clinical: Annotated[str | None, typer.Option(help="ihc (if not given), or no_ihc without receptor status.")] = None,
    cv: Cv = Tcga.cv,
    folds: Folds = Tcga.folds,
    seed: Seed = None,
    missing_rate: Annotated[
        str, typer.Option(help="Share of (site, modality) pairs hidden from training; a list (0,.3,.5) runs each.")
    ] = "0",
    repeats: Annotated[int, typer.Option(help="Seeds: each a run of its own, with its own folds.")] = Tcga.repeats,
    folds_file: Annotated[
        Path | None, typer.Option(help="The outer folds: a CSV or TSV of case and fold or split (docs/tcga.md).")
    ] = None,
    external: Annotated[Path | None, typer.Option(help="A second data folder, only ever scored.")] = None,
    release: Annotated[
        Path | None, typer.Option(help="Also keep the release of the first fold's federated study here.")
    ] = None,
    fusion: Annotated[str, typer.Option(help="Fusion heads to print side by side: all, or names with commas.")] = "",
    masking: Masking = False,
    epsilon: Annotated[
        str, typer.Option(help="Also run the federated arm under differential privacy: 8, or a list (3,8,10).")
    ] = "",
    settings: Settings = None,
) -> None:
    """Public tables dealt out to sites by tissue source site, compared across all arms."""
    own, rest = split(Tcga, [*(settings or ()), *MASKED] if masking else settings)
    settled = tcga_federation(federation, seed, rest, modalities=modalities, clinical=clinical)
    given = {
        **{
            "data": data,
            "folds_file": folds_file,
            "external": external,
            "release": release,
            "cv": cv,
            "folds": folds,
            "repeats": repeats,
        },
        "missing_rates": numbers_in(missing_rate, "--missing-rate", "0,.3,.5"),
        "epsilons": numbers_in(epsilon, "--epsilon", "3,8,10") if epsilon else None,
        "heads": heads_named(names_in(fusion)),
    }
    carry_out(Tcga, {**given, **own}, settled.to_dict(), out)


def _made_up(names: Sequence[str], small: bool, seed: int, settings: Sequence[str]) -> Federation:
    given = {name: {**SETTINGS.get(name, {}), **(_SMALL if small else {})} for name in names}
    return federation_of(names, given, seed, settings)
