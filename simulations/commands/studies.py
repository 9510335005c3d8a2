"""The commands that are studies of their own: representations, convergence, robustness."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from modalities.core.console import console
from simulations.cohorts.inputs import federation_of, names_in, tcga_cohort
from simulations.cohorts.synthetic import make_cohort
from simulations.commands.options import (
    Clinical,
    Cnv,
    Cv,
    Data,
    Folds,
    MinSite,
    Modalities,
    Out,
    Seed,
    Settings,
    SitesBy,
    Use,
    Workers,
)
from simulations.engines.hostile import ATTACKS
from simulations.engines.machine import processors
from simulations.report.section import Section
from simulations.report.sections import representations as forms
from simulations.report.sections.convergence import convergence_section
from simulations.report.sections.robustness import robustness_section
from simulations.studies.convergence import ConvergencePlan
from simulations.studies.experiment import Protocol
from simulations.studies.representations import REPRESENTATIONS, compare_representations
from simulations.studies.robustness import RobustnessPlan
from simulations.studies.tables import Tables, convergence_study, robustness_study


def representations(
    out: Out,
    data: Annotated[Path | None, typer.Option(help="As for tcga; without it, made-up sites.")] = None,
    values: Annotated[str, typer.Option(help="Comma-separated forms of copy number.")] = ",".join(REPRESENTATIONS),
    n_sites: Annotated[int, typer.Option("--sites", min=2, help="Made-up sites.")] = 6,
    n_cases: Annotated[int, typer.Option("--cases", min=12, help="Made-up cases a site, about.")] = 90,
    cv: Cv = "random",
    folds: Folds = 5,
    seed: Seed = None,
    min_site: MinSite = 20,
    sites_by: SitesBy = None,
    workers: Workers = 0,
    settings: Settings = None,
) -> None:
    """Copy number by chromosome arm and by gene on the same folds: macro-AUROC beside the bytes of a round."""
    federations = {
        name: federation_of(["cnv"], {"cnv": {"values": name}}, seed or 0, settings) for name in names_in(values)
    }
    first = next(iter(federations.values()))
    if data is None:
        cohort = make_cohort(first, out / "sites", n_sites, n_cases)
    else:
        cohort = tcga_cohort(data, first, min_site, sites_by, out / "sites")
    protocol = Protocol("synthetic" if data is None else "tcga", first.seed, cv, folds)
    results = compare_representations(cohort, federations, protocol, out, workers or processors(), console)
    table = Table(*forms.HEADER, *forms.HEADER_COMMON, title="macro-AUROC of copy number, out of fold")
    for name, one in results["representations"].items():
        table.add_row(*forms.row_of(name, one))
    console.print(table)
    console.print(f"report: {out / 'report.html'}\nnumbers: {out / 'results.json'}", soft_wrap=True)


def convergence(
    data: Data,
    out: Out,
    modalities: Modalities = "cnv,clinical,hif",
    strategies: Annotated[
        str,
        typer.Option(
            help="Comma-separated; fedadam+fedmedian: its step on the median; default: each modality's own setting."
        ),
    ] = "default,fedavg,fedprox,fedavgm,fedadagrad,fedadam,fedyogi",
    rounds: Annotated[int, typer.Option(min=2, help="Rounds of every strategy.")] = 60,
    patience: Annotated[int, typer.Option(min=1, help="Rounds without a lower held-out loss before it stops.")] = 10,
    clinical: Clinical = "ihc",
    cnv: Cnv = None,
    min_site: MinSite = 20,
    folds: Folds = 5,
    use: Use = 1,
    seed: Seed = None,
    settings: Settings = None,
) -> None:
    """Each strategy's held-out loss and test AUROC by round, where the stopping rule stops it, and the gap there."""
    tables = Tables(data, modalities, clinical, cnv or "calls", min_site, seed or 0, folds, use, settings)
    plan = ConvergencePlan(tuple(names_in(strategies)), rounds, patience)
    _show_section(convergence_section(convergence_study(tables, plan, out, console)), out)


def robustness(
    data: Data,
    out: Out,
    modalities: Modalities = "cnv,clinical,hif",
    rules: Annotated[
        str, typer.Option(help="Comma-separated strategies; the first is what others are held against.")
    ] = ("fedadam,fedavg,fedadam+fedmedian,fedadam+fedtrimmedavg"),
    attacks: Annotated[str, typer.Option(help=f"Comma-separated, of {', '.join(ATTACKS)}.")] = "scaled,negated,random",
    hostile: Annotated[str, typer.Option(help="The hostile site; empty: the one with the most cases.")] = "",
    clinical: Clinical = "ihc",
    cnv: Cnv = None,
    min_site: MinSite = 18,
    folds: Folds = 5,
    use: Use = 1,
    seed: Seed = None,
    settings: Settings = None,
) -> None:
    """What one site that sends poisoned weights does to the fused prediction, under means and under robust rules."""
    tables = Tables(data, modalities, clinical, cnv or "calls", min_site, seed or 0, folds, use, settings)
    plan = RobustnessPlan(tuple(names_in(rules)), tuple(names_in(attacks)), hostile)
    _show_section(robustness_section(robustness_study(tables, plan, out, console)), out)


def _show_section(section: Section | None, out: Path) -> None:
    """A study's own tables, and where the rest is."""
    for own in section.tables if section else ():
        table = Table(*own.header, title=own.caption)
        for row in own.rows:
            table.add_row(*row)
        console.print(table)
    console.print(f"report: {out / 'report.html'}\nnumbers: {out / 'results.json'}", soft_wrap=True)
