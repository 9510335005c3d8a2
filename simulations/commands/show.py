"""What a command says at its end: tables of the results, and where everything is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from modalities.core.console import console
from simulations.arms.arms import RELEASE
from simulations.report import words
from simulations.report.sections.privacy import privacy
from simulations.scores.predictions import COMPLETE, FUSED
from simulations.scores.results import Json
from simulations.studies.coupling import Change
from strategies.report.section import Section

_HEAD_SCORES = ("macro_auroc", "balanced_accuracy", "accuracy", "ece")


def show_series(results: Mapping[str, Any], out: Path) -> None:
    """Where the runs and what they come to are."""
    console.print(f"runs: {', '.join(results['runs'])}", soft_wrap=True)
    _show_tables(privacy(results))
    show_files(out)


def show(results: Json, out: Path) -> None:
    """The table of macro-AUROC, and where the rest is."""
    sets = [*results["task"]["modalities"], FUSED, COMPLETE]
    headings = [name.replace("_", "_\n") for name in sets]  # four modalities fit 80 columns
    table = Table("macro-AUROC", *headings, title=f"{results['task']['name']}, out of fold")
    for arm, scored in results["arms"].items():
        table.add_row(arm, *(_value(scored.get(name, {}).get("macro_auroc"), "{:.3f}") for name in sets))
    table.add_section()
    for pair, scored in results["differences"].items():
        short = pair.replace("federated", "fed.").replace("centralised", "pooled").replace("-", " − ").replace("_", " ")
        table.add_row(short, *(_value(scored.get(name, {}).get("macro_auroc"), "{:+.3f}") for name in sets))
    console.print(table)
    _show_tables(privacy(results))
    for arm in next(iter(results.get("heads", {}).values()), {"arms": ()})["arms"]:
        console.print(_heads_table(results["heads"], arm))
    for sentence in words.still_falling(results):
        console.print(sentence, soft_wrap=True, highlight=False, markup=False)
    show_files(out)


def _heads_table(heads: Mapping[str, Any], arm: str) -> Table:
    """One arm's heads, the least out-of-fold loss first and marked."""
    table = Table("head", "AUROC", "bal.", "acc.", "ECE", "any", "loss", "size", "MB", title=f"fusion heads, {arm}")
    table.caption = "cases with all modalities; any: AUROC of fused; loss: out of fold, the least marked"
    for name in sorted(heads, key=lambda name: heads[name]["arms"][arm]["out_of_fold_loss"]):
        own = heads[name]["arms"][arm]
        table.add_row(
            f"[bold]{name} *[/]" if own["least_loss"] else name,
            *(_value(own[COMPLETE][metric], "{:.3f}") for metric in _HEAD_SCORES),
            _value(own[FUSED]["macro_auroc"], "{:.3f}"),
            f"{own['out_of_fold_loss']:.4f}",
            f"{heads[name]['parameters']}",
            f"{own['bytes'] / 1e6:.1f}",
        )
    return table


def show_change(change: Change) -> None:
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


def show_section(section: Section | None, out: Path) -> None:
    """A study's own tables, and where the rest is."""
    _show_tables(section)
    show_files(out)


def _show_tables(section: Section | None) -> None:
    for own in section.tables if section else ():
        table = Table(*own.header, title=own.caption)
        for row in own.rows:
            table.add_row(*row)
        console.print(table)


def show_files(out: Path) -> None:
    """Where the results are."""
    console.print(f"report: {out / 'report.html'}\nnumbers: {out / 'results.json'}", soft_wrap=True)
