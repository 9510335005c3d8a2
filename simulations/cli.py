"""tessera-simulate: experiments on made-up or public cases, all on one machine."""

import os
import shutil
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from omegaconf import OmegaConf
from rich.console import Console
from rich.markup import escape
from rich.table import Table

os.environ.setdefault("OMP_NUM_THREADS", "1")

from modalities.core.federation import Federation, federation_from
from modalities.core.registry import plugins
from simulations.arms import RELEASE
from simulations.cohort import Cohort, with_features_of_data
from simulations.coupling import Change, add_modality, keep_split, remove_modality
from simulations.experiment import Protocol, prepare_folds, run_experiment
from simulations.machine import processors
from simulations.synthetic import DEMO_MODALITIES, SETTINGS, TABLES, make_cohort
from simulations.tcga import group_sites, open_dataset, write_raw_files

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
    """Six made-up hospitals, four modalities, every arm of the comparison: a few minutes from nothing to a report."""
    if out.exists() and not (out / "plan.json").exists() and any(out.iterdir()):
        raise ValueError(f"{out} holds something else; choose another --out")
    protocol = Protocol("demo", folds=2 if small else 3)
    _synthetic(protocol, DEMO_MODALITIES, out, 6, 50 if small else 90, settings, 0, None, small)


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
    modalities: Annotated[str, typer.Option(help="Comma-separated; a name that is no plug-in is a table.")] = ",".join(
        TABLES
    ),
    workers: Workers = 0,
    release: Release = None,
    settings: Settings = None,
) -> None:
    """Made-up sites in real file formats, compared across all arms."""
    protocol = Protocol("synthetic", seed, cv, folds, engine=engine, labels_permuted=permute_labels)
    _synthetic(protocol, _names(modalities), out, n_sites, n_cases, settings, workers, release, small)


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
    names = _names(modalities)
    given = {"cnv": {"values": cnv}, "clinical": {"inputs": clinical}}
    federation = _federation(names, given, seed, settings)
    notes = f"clinical inputs: {clinical}; copy number: {cnv}"
    protocol = Protocol("tcga", seed, cv, folds, missing_rate, engine, notes=notes)
    cohort = _tcga_cohort(data, federation, min_site, sites_by, out / "sites")
    outside = None
    if external is not None:
        outside = _tcga_cohort(external, federation, min_site, sites_by, out / "external", prefix="external_")
    federation = with_features_of_data(federation, cohort, out)
    _run(cohort, federation, protocol, out, workers, release, outside)


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
    section = _sections([modality], {}, settings)[modality]
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


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]


def _synthetic(
    protocol: Protocol,
    names: "list[str] | tuple[str, ...]",
    out: Path,
    n_sites: int,
    n_cases: int,
    settings: list[str] | None,
    workers: int,
    release: Path | None,
    small: bool,
) -> None:
    given = {name: {**SETTINGS.get(name, {}), **(_SMALL if small else {})} for name in names}
    federation = _federation(names, given, protocol.seed, settings)
    busy = workers or processors()
    cohort = make_cohort(federation, out / "sites", n_sites, n_cases, protocol.labels_permuted, busy)
    federation = with_features_of_data(federation, cohort, out)
    _run(cohort, federation, protocol, out, workers, release)


def _federation(
    names: "list[str] | tuple[str, ...]", given: Mapping[str, Any], seed: int, settings: list[str] | None
) -> Federation:
    """The default settings of these modalities, with what the command line says."""
    raw: dict[str, Any] = {"seed": seed, "modalities": _sections(names, given, None)}
    merged = OmegaConf.to_container(OmegaConf.merge(raw, OmegaConf.from_dotlist(settings or [])))
    return federation_from({str(key): value for key, value in merged.items()} if isinstance(merged, dict) else {})


def _sections(
    names: "list[str] | tuple[str, ...]", given: Mapping[str, Any], settings: list[str] | None
) -> dict[str, dict[str, Any]]:
    sections = {name: {"kind": name if name in plugins() else "table", **given.get(name, {})} for name in names}
    merged = OmegaConf.merge({"modalities": sections}, OmegaConf.from_dotlist(settings or []))
    return OmegaConf.to_container(merged)["modalities"]  # pyright: ignore


def _tcga_cohort(
    data: Path, federation: Federation, min_site: int, sites_by: Path | None, out: Path, prefix: str = ""
) -> Cohort:
    dataset = open_dataset(data, list(federation.modalities), federation.task)
    sites = prefix + group_sites(dataset, federation.task, min_site, sites_by)
    sources = write_raw_files(dataset, sites, out)
    return Cohort(dataset.cases.assign(site=sites), sources)


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


def _value(found: Mapping[str, Any] | None, form: str) -> str:
    return form.format(found["value"]) if found and found["value"] is not None else "n/a"


def _number(found: Mapping[str, Any] | None, signed: bool = False) -> str:
    form = "{:+.3f}" if signed else "{:.3f}"
    known = found and found["low"] is not None
    interval = f" ({form.format(found['low'])} to {form.format(found['high'])})" if found and known else ""
    return _value(found, form) + interval
