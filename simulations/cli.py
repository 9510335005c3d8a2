"""tessera-simulate: experiments on made-up or public cases, all on one machine."""

import os
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

os.environ.setdefault("OMP_NUM_THREADS", "1")
if absent := [name for name in ("jinja2", "matplotlib", "psutil", "ray") if find_spec(name) is None]:
    raise SystemExit(f"error: no {', '.join(absent)} here: `make setup` installs what tessera-simulate alone needs")
from modalities.core.console import console, plainly
from modalities.core.settings.federation import Federation
from simulations.arms.arms import RELEASE
from simulations.arms.heads import heads_named
from simulations.cohorts.cohort import EXTERNAL, Cohort, with_features_of_data
from simulations.cohorts.external import compare_external
from simulations.cohorts.inputs import (
    federation_of,
    federation_of_file,
    names_in,
    notes_of,
    rates_in,
    sections_of,
    tcga_cohort,
    tcga_federation,
)
from simulations.cohorts.synthetic import DEMO_MODALITIES, SETTINGS, TABLES, make_cohort
from simulations.commands.made_up import sites
from simulations.commands.options import (
    Cnv,
    Cv,
    Data,
    Engine,
    Folds,
    Heads,
    MinSite,
    Out,
    Release,
    Seed,
    Settings,
    Settled,
    SitesBy,
    Workers,
)
from simulations.commands.studies import convergence, representations, robustness
from simulations.engines.machine import processors
from simulations.studies.coupling import Change, add_modality, keep_split, remove_modality
from simulations.studies.experiment import Protocol, prepare_folds, run_experiment
from simulations.studies.lacks import say_what_sites_lack
from simulations.studies.series import plan_of, run_series

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
_HEAD_SCORES = ("macro_auroc", "balanced_accuracy", "accuracy", "ece")
_SMALL = {"training": {"epochs": 15}, "federated": {"rounds": 15}}


@app.command()
@plainly
def demo(
    out: Out = Path("runs/demo"),
    small: Annotated[bool, typer.Option("--small", help="Fewer cases and rounds, for a quick look.")] = False,
    settings: Settings = None,
) -> None:
    """Six made-up hospitals, four modalities, every arm of the comparison: a few minutes from nothing to a report."""
    if out.exists() and not (out / "plan.json").exists() and any(out.iterdir()):
        raise ValueError(f"{out} holds something else; choose another --out")
    federation = _made_up(DEMO_MODALITIES, small, 0, settings)
    _synthetic(federation, Protocol("demo", folds=2 if small else 3), out, 6, 50 if small else 90)


@app.command()
@plainly
def synthetic(
    out: Out,
    federation: Settled = None,
    n_sites: Annotated[int, typer.Option("--sites", min=2, help="Made-up sites.")] = 6,
    n_cases: Annotated[int, typer.Option("--cases", min=12, help="Cases a site, about.")] = 90,
    folds: Folds = 3,
    seed: Seed = None,
    engine: Engine = "inline",
    cv: Cv = "random",
    cnv: Cnv = None,
    permute_labels: Annotated[
        bool, typer.Option("--permute-labels", help="Break the link between labels and data: every arm must be at .5.")
    ] = False,
    small: Annotated[bool, typer.Option("--small", help="Few rounds, for a quick look.")] = False,
    modalities: Annotated[
        str | None,
        typer.Option(help="Comma-separated, cnv,clinical,hif if not given; any other name: a table."),
    ] = None,
    workers: Workers = 0,
    release: Release = None,
    fusion: Heads = "",
    settings: Settings = None,
) -> None:
    """Made-up sites in real file formats, compared across all arms."""
    if federation is not None:
        settled = federation_of_file(federation, seed, settings, small=small, cnv=cnv, modalities=modalities)
    else:
        settled = _made_up(names_in(modalities or ",".join(TABLES)), small, seed or 0, settings, cnv)
    heads = heads_named(names_in(fusion))
    protocol = Protocol(
        "synthetic", settled.seed, cv, folds, engine=engine, labels_permuted=permute_labels, heads=heads
    )
    _synthetic(settled, protocol, out, n_sites, n_cases, workers, release)


@app.command()
@plainly
def tcga(
    data: Data,
    out: Out,
    federation: Settled = None,
    modalities: Annotated[
        str | None, typer.Option(help="Comma-separated, cnv,clinical if not given; a name that is no plug-in: a table.")
    ] = None,
    clinical: Annotated[str | None, typer.Option(help="ihc (if not given), or no_ihc without receptor status.")] = None,
    cnv: Cnv = None,
    cv: Cv = "random",
    folds: Folds = 5,
    seed: Seed = None,
    min_site: MinSite = 20,
    sites_by: SitesBy = None,
    missing_rate: Annotated[
        str, typer.Option(help="Share of (site, modality) pairs hidden from training; a list (0,.3,.5) runs each.")
    ] = "0",
    repeats: Annotated[int, typer.Option(min=1, help="Seeds: each a run of its own, with its own folds.")] = 1,
    external: Annotated[Path | None, typer.Option(help="A second data folder, only ever scored.")] = None,
    engine: Engine = "inline",
    workers: Workers = 0,
    release: Release = None,
    fusion: Heads = "",
    settings: Settings = None,
) -> None:
    """Public tables dealt out to sites by tissue source site, compared across all arms."""
    settled = tcga_federation(federation, seed, settings, modalities=modalities, clinical=clinical, cnv=cnv)
    rates, heads = rates_in(missing_rate), heads_named(names_in(fusion))
    protocol = Protocol("tcga", settled.seed, cv, folds, rates[0], engine, notes=notes_of(settled), heads=heads)
    series = plan_of(settled, protocol, repeats, rates)
    if series and (external or release):
        raise ValueError("--external and --release are of one run: leave out --repeats and lists of --missing-rate")
    cohort = tcga_cohort(data, settled, min_site, sites_by, out / "sites")
    if series:
        _show_series(run_series(cohort, series, out, _busy(protocol, workers), console), out)
        return
    outside = None
    if external is not None:
        outside = tcga_cohort(external, settled, min_site, sites_by, out / "external", prefix=EXTERNAL)
    settled = with_features_of_data(settled, cohort, out)
    for note in compare_external(cohort, outside, settled) if outside else ():
        console.print(note, soft_wrap=True)
    _run(cohort, settled, protocol, out, workers, release, outside)


@app.command()
@plainly
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
@plainly
def remove(
    release: Annotated[Path, typer.Option(help="A release of `--release`, `add` or `remove`.")],
    data: Annotated[Path, typer.Option(help="The tables, or the site folders.")],
    modality: Annotated[str, typer.Option(help="The modality's name.")],
    out: Out,
    engine: Engine = "inline",
) -> None:
    """Remove a modality from a release: trains nothing and refits the fusion head."""
    _show_change(remove_modality(release, data, modality, out, engine))


def _made_up(
    names: Sequence[str], small: bool, seed: int, settings: list[str] | None, cnv: str | None = None
) -> Federation:
    quick, form = _SMALL if small else {}, {"values": cnv} if cnv else {}
    given = {name: {**SETTINGS.get(name, {}), **quick, **(form if name == "cnv" else {})} for name in names}
    return federation_of(names, given, seed, settings)


def _synthetic(
    federation: Federation,
    protocol: Protocol,
    out: Path,
    n_sites: int,
    n_cases: int,
    workers: int = 0,
    release: Path | None = None,
) -> None:
    busy = workers or processors()
    cohort = make_cohort(federation, out / "sites", n_sites, n_cases, protocol.labels_permuted, busy)
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
    say_what_sites_lack(folds[-1], federation, console)
    results = run_experiment(folds, protocol, out, _busy(protocol, workers), console, external is not None)
    if release is not None:
        shutil.copytree(folds[0].folder / "federated" / RELEASE, release, dirs_exist_ok=True)
        keep_split(release, folds[0].sites, federation)
    _show(results, out)


def _busy(protocol: Protocol, workers: int) -> int:
    return 1 if protocol.engine == "flower" else workers or processors()


def _show_series(results: Mapping[str, Any], out: Path) -> None:
    """Where the runs and what they come to are."""
    console.print(f"runs: {', '.join(results['runs'])}", soft_wrap=True)
    console.print(f"report: {out / 'report.html'}\nnumbers: {out / 'results.json'}", soft_wrap=True)


def _show(results: Mapping[str, Any], out: Path) -> None:
    """The table of macro-AUROC, and where the rest is."""
    sets = [*results["task"]["modalities"], "fused", "fused_complete"]
    headings = [name.replace("_", "_\n") for name in sets]  # four modalities fit 80 columns
    table = Table("macro-AUROC", *headings, title=f"{results['task']['name']}, out of fold")
    for arm, scored in results["arms"].items():
        table.add_row(arm, *(_value(scored.get(name, {}).get("macro_auroc"), "{:.3f}") for name in sets))
    table.add_section()
    for pair, scored in results["differences"].items():
        short = pair.replace("federated", "fed.").replace("centralised", "pooled").replace("-", " − ").replace("_", " ")
        table.add_row(short, *(_value(scored.get(name, {}).get("macro_auroc"), "{:+.3f}") for name in sets))
    console.print(table)
    for arm in next(iter(results.get("heads", {}).values()), {"arms": ()})["arms"]:
        console.print(_heads_table(results["heads"], arm))
    console.print(f"report: {out / 'report.html'}\nnumbers: {out / 'results.json'}", soft_wrap=True)


def _heads_table(heads: Mapping[str, Any], arm: str) -> Table:
    """One arm's heads, the least out-of-fold loss first and marked."""
    table = Table("head", "AUROC", "bal.", "acc.", "ECE", "any", "loss", "size", "MB", title=f"fusion heads, {arm}")
    table.caption = "cases with all modalities; any: AUROC of fused; loss: out of fold, the least marked"
    for name in sorted(heads, key=lambda name: heads[name]["arms"][arm]["out_of_fold_loss"]):
        own = heads[name]["arms"][arm]
        table.add_row(
            f"[bold]{name} *[/]" if own["least_loss"] else name,
            *(_value(own["fused_complete"][metric], "{:.3f}") for metric in _HEAD_SCORES),
            _value(own["fused"]["macro_auroc"], "{:.3f}"),
            f"{own['out_of_fold_loss']:.4f}",
            f"{heads[name]['parameters']}",
            f"{own['bytes'] / 1e6:.1f}",
        )
    return table


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


def _value(found: Mapping[str, Any] | None, form: str) -> str:
    return form.format(found["value"]) if found and found["value"] is not None else "n/a"


def _number(found: Mapping[str, Any] | None, signed: bool = False) -> str:
    form = "{:+.3f}" if signed else "{:.3f}"
    known = found and found["low"] is not None
    interval = f" ({form.format(found['low'])} to {form.format(found['high'])})" if found and known else ""
    return _value(found, form) + interval


for _command in (sites, representations, convergence, robustness):
    app.command()(plainly(_command))
