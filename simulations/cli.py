"""tessera-simulate: experiments on made-up or public cases, all on one machine."""

import os
import shutil
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

os.environ.setdefault("OMP_NUM_THREADS", "1")

from modalities.core.federation import Federation
from simulations.arms import RELEASE
from simulations.cohort import Cohort, with_features_of_data
from simulations.convergence import ConvergencePlan
from simulations.coupling import Change, add_modality, keep_split, remove_modality
from simulations.experiment import Protocol, prepare_folds, run_experiment
from simulations.hostile import ATTACKS
from simulations.inputs import federation_of, names_in, sections_of, tcga_cohort
from simulations.machine import processors
from simulations.report.section import Section
from simulations.report.sections.convergence import convergence_section
from simulations.report.sections.robustness import robustness_section
from simulations.robustness import RobustnessPlan
from simulations.studies import Tables, convergence_study, robustness_study
from simulations.synthetic import DEMO_MODALITIES, make_cohort

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console()
_SMALL = {"training": {"epochs": 15}, "federated": {"rounds": 15}}

Out = Annotated[Path, typer.Option(help="Folder for everything this makes; the same command goes on where it stopped.")]
Settings = Annotated[
    list[str] | None, typer.Argument(help="Dotted settings over the defaults: modalities.cnv.training.lr=1e-3 seed=1")
]
Workers = Annotated[int, typer.Option(help="Arms and folds run side by side; 0: one a processor.")]
Engine = Annotated[str, typer.Option(help="inline (this process) or flower (Flower's simulation engine).")]
Seed = Annotated[int, typer.Option(help="Seeds everything.")]
Data = Annotated[Path, typer.Option(help="Folder of tables, laid out as docs/tcga.md says or as its dataset.yaml.")]
Modalities = Annotated[str, typer.Option(help="Comma-separated; a name that is no plug-in is a table.")]
Clinical = Annotated[str, typer.Option(help="ihc, or no_ihc without receptor status.")]
Copies = Annotated[str, typer.Option(help="calls or log2.")]
MinSite = Annotated[int, typer.Option(help="Sites with fewer usable cases are pooled as `other`.")]
Folds = Annotated[int, typer.Option(help="Outer folds.")]
Use = Annotated[int, typer.Option(help="Outer folds that are run, from the first on.")]
Release = Annotated[Path | None, typer.Option(help="Also keep the release of the first fold's federated study here.")]


def _plainly(command: Callable[..., None]) -> Callable[..., None]:
    """Problems that a user can mend end with one message and exit code 1, an interrupt with 130."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (ValueError, RuntimeError) as error:
            console.print(f"[bold red]error:[/] {escape(str(error))}", markup=True, highlight=False, soft_wrap=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            console.print("stopped; the same command goes on from here")
            raise typer.Exit(130) from None

    return wrapped


@app.command()
@_plainly
def demo(
    out: Out = Path("runs/demo"),
    small: Annotated[bool, typer.Option("--small", help="Fewer cases and rounds, for a quick look.")] = False,
    settings: Settings = None,
) -> None:
    """Six made-up hospitals, three modalities, every arm of the comparison: a few minutes from nothing to a report."""
    if out.exists() and not (out / "plan.json").exists() and any(out.iterdir()):
        raise ValueError(f"{out} holds something else; choose another --out")
    _synthetic(Protocol("demo", folds=2 if small else 3), out, 6, 50 if small else 90, settings, 0, None, small)


@app.command()
@_plainly
def synthetic(
    out: Out,
    n_sites: Annotated[int, typer.Option("--sites", min=2, help="Made-up sites.")] = 6,
    n_cases: Annotated[int, typer.Option("--cases", min=12, help="Cases a site, about.")] = 90,
    folds: Annotated[int, typer.Option(help="Outer folds.")] = 3,
    seed: Seed = 0,
    engine: Engine = "inline",
    cv: Annotated[str, typer.Option(help="random folds, or whole sites held out.")] = "random",
    permute_labels: Annotated[
        bool, typer.Option("--permute-labels", help="Break the link between labels and data: every arm must be at .5.")
    ] = False,
    small: Annotated[bool, typer.Option("--small", help="Few rounds, for a quick look.")] = False,
    workers: Workers = 0,
    release: Release = None,
    settings: Settings = None,
) -> None:
    """Made-up sites in real file formats, compared across all arms."""
    protocol = Protocol("synthetic", seed, cv, folds, engine=engine, labels_permuted=permute_labels)
    _synthetic(protocol, out, n_sites, n_cases, settings, workers, release, small)


@app.command()
@_plainly
def tcga(
    data: Annotated[Path, typer.Option(help="Folder of tables, laid out as docs/tcga.md says or as its dataset.yaml.")],
    out: Out,
    modalities: Annotated[
        str, typer.Option(help="Comma-separated; a name that is no plug-in is a table.")
    ] = "cnv,clinical",
    clinical: Annotated[str, typer.Option(help="ihc, or no_ihc without receptor status.")] = "ihc",
    cnv: Annotated[str, typer.Option(help="calls or log2.")] = "calls",
    cv: Annotated[str, typer.Option(help="random folds, or whole sites held out.")] = "random",
    folds: Annotated[int, typer.Option(help="Outer folds.")] = 5,
    seed: Seed = 0,
    min_site: Annotated[int, typer.Option(help="Sites with fewer usable cases are pooled as `other`.")] = 20,
    sites_by: Annotated[Path | None, typer.Option(help="CSV: site code in the first column, group in `site`.")] = None,
    missing_rate: Annotated[float, typer.Option(help="Share of (site, modality) pairs hidden from training.")] = 0.0,
    external: Annotated[Path | None, typer.Option(help="A second data folder, only ever scored.")] = None,
    engine: Engine = "inline",
    workers: Workers = 0,
    release: Release = None,
    settings: Settings = None,
) -> None:
    """Public tables dealt out to sites by tissue source site, compared across all arms."""
    names = names_in(modalities)
    given = {"cnv": {"values": cnv}, "clinical": {"inputs": clinical}}
    federation = federation_of(names, given, seed, settings)
    notes = f"clinical inputs: {clinical}; copy number: {cnv}"
    protocol = Protocol("tcga", seed, cv, folds, missing_rate, engine, notes=notes)
    cohort = tcga_cohort(data, federation, min_site, sites_by, out / "sites")
    outside = None
    if external is not None:
        outside = tcga_cohort(external, federation, min_site, sites_by, out / "external", prefix="external_")
    federation = with_features_of_data(federation, cohort, out)
    _run(cohort, federation, protocol, out, workers, release, outside)


@app.command()
@_plainly
def convergence(
    data: Data,
    out: Out,
    modalities: Modalities = "cnv,clinical,hif",
    strategies: Annotated[
        str, typer.Option(help="Comma-separated; fedadam+fedmedian is fedadam's step on the median.")
    ] = "fedavg,fedprox,fedavgm,fedadagrad,fedadam,fedyogi",
    rounds: Annotated[int, typer.Option(min=2, help="Rounds of every strategy.")] = 60,
    patience: Annotated[int, typer.Option(min=1, help="Rounds without a lower held-out loss before it stops.")] = 10,
    clinical: Clinical = "ihc",
    cnv: Copies = "calls",
    min_site: MinSite = 20,
    folds: Folds = 5,
    use: Use = 1,
    seed: Seed = 0,
    settings: Settings = None,
) -> None:
    """Each strategy's held-out loss and test AUROC by round, where the stopping rule stops it, and the gap there."""
    tables = Tables(data, modalities, clinical, cnv, min_site, seed, folds, use, settings)
    plan = ConvergencePlan(tuple(names_in(strategies)), rounds, patience)
    _show_section(convergence_section(convergence_study(tables, plan, out, console)), out)


@app.command()
@_plainly
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
    cnv: Copies = "calls",
    min_site: MinSite = 18,
    folds: Folds = 5,
    use: Use = 1,
    seed: Seed = 0,
    settings: Settings = None,
) -> None:
    """What one site that sends poisoned weights does to the fused prediction, under means and under robust rules."""
    tables = Tables(data, modalities, clinical, cnv, min_site, seed, folds, use, settings)
    plan = RobustnessPlan(tuple(names_in(rules)), tuple(names_in(attacks)), hostile)
    _show_section(robustness_section(robustness_study(tables, plan, out, console)), out)


@app.command()
@_plainly
def add(
    release: Annotated[Path, typer.Option(help="A release of `--release`.")],
    data: Annotated[Path, typer.Option(help="The tables, or the site folders, with the new modality.")],
    modality: Annotated[str, typer.Option(help="The modality's name.")],
    out: Out,
    engine: Engine = "inline",
    settings: Settings = None,
) -> None:
    """Add a modality to a release: trains its branch alone and refits the fusion head."""
    section = sections_of([modality], {}, settings)[modality]
    _show_change(add_modality(release, data, modality, section, out, engine))


@app.command()
@_plainly
def remove(
    release: Annotated[Path, typer.Option(help="A release of `--release`, `add` or `remove`.")],
    data: Annotated[Path, typer.Option(help="The tables, or the site folders.")],
    modality: Annotated[str, typer.Option(help="The modality's name.")],
    out: Out,
    engine: Engine = "inline",
) -> None:
    """Remove a modality from a release: trains nothing and refits the fusion head."""
    _show_change(remove_modality(release, data, modality, out, engine))


def _synthetic(
    protocol: Protocol,
    out: Path,
    n_sites: int,
    n_cases: int,
    settings: list[str] | None,
    workers: int,
    release: Path | None,
    small: bool,
) -> None:
    federation = federation_of(
        DEMO_MODALITIES, dict.fromkeys(DEMO_MODALITIES, _SMALL) if small else {}, protocol.seed, settings
    )
    cohort = make_cohort(federation, out / "sites", n_sites, n_cases, protocol.labels_permuted)
    federation = with_features_of_data(federation, cohort, out)
    _run(cohort, federation, protocol, out, workers, release)


def _run(
    cohort: Cohort,
    federation: Federation,
    protocol: Protocol,
    out: Path,
    workers: int,
    release: Path | None,
    external: Cohort | None = None,
) -> None:
    usable = cohort.usable(federation)
    console.print(
        f"{len(usable)} cases of {len(federation.task.classes)} classes at {usable['site'].nunique()} sites, "
        f"modalities {', '.join(federation.modalities)}, {protocol.folds} {protocol.cv} folds, engine {protocol.engine}"
    )
    folds = prepare_folds(cohort, federation, protocol, out, external)
    busy = 1 if protocol.engine == "flower" else workers or processors()
    results = run_experiment(folds, protocol, out, busy, console, external is not None)
    if release is not None:
        shutil.copytree(folds[0].folder / "federated" / RELEASE, release, dirs_exist_ok=True)
        keep_split(release, folds[0].sites, federation)
    _show(results, out)


def _show(results: Mapping[str, Any], out: Path) -> None:
    """The table of macro-AUROC, and where the rest is."""
    sets = [*results["task"]["modalities"], "fused", "fused_complete"]
    table = Table("macro-AUROC", *sets, title=f"{results['task']['name']}, out of fold")
    for arm, scored in results["arms"].items():
        table.add_row(arm, *(_value(scored.get(name, {}).get("macro_auroc"), "{:.3f}") for name in sets))
    table.add_section()
    for pair, scored in results["differences"].items():
        table.add_row(pair, *(_value(scored.get(name, {}).get("macro_auroc"), "{:+.3f}") for name in sets))
    console.print(table)
    console.print(f"report: {out / 'report.html'}\nnumbers: {out / 'results.json'}", soft_wrap=True)


def _show_change(change: Change) -> None:
    results = change.results
    table = Table("test cases", "n", "before", "after", "after - before", title="fused macro-AUROC")
    for name, scored in results["sets"].items():
        pair = [_number(scored[side]["macro_auroc"]) for side in ("before", "after")]
        table.add_row(name, str(scored["n"]), *pair, _number(scored["difference"]["macro_auroc"], signed=True))
    console.print(table)
    kept = results["unchanged"]
    console.print(f"{sum(kept.values())} of {len(kept)} files of the other branches are byte for byte as before")
    share, seconds = results["cost"]["share_of_training_all"], results["cost"]["seconds"]
    console.print(f"cost: {share:.0%} of training all branches, {seconds:.0f} s here\nrelease: {change.out / RELEASE}")


def _show_section(section: Section | None, out: Path) -> None:
    """A study's own tables, and where the rest is."""
    for own in section.tables if section else ():
        table = Table(*own.header, title=own.caption)
        for row in own.rows:
            table.add_row(*row)
        console.print(table)
    console.print(f"report: {out / 'report.html'}\nnumbers: {out / 'results.json'}", soft_wrap=True)


def _value(found: Mapping[str, Any] | None, form: str) -> str:
    return form.format(found["value"]) if found and found["value"] is not None else "n/a"


def _number(found: Mapping[str, Any] | None, signed: bool = False) -> str:
    form = "{:+.3f}" if signed else "{:.3f}"
    known = found and found["low"] is not None
    interval = f" ({form.format(found['low'])} to {form.format(found['high'])})" if found and known else ""
    return _value(found, form) + interval
