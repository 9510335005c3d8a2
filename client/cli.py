"""tessera-client: what a site runs."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from client.explain import explain_case
from client.prepare import prepare_site
from modalities.core.federation import Federation, load_federation
from modalities.core.store import SiteData

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console()


@app.callback()
def main() -> None:
    """What a site runs."""


@app.command()
def check(
    site: Annotated[Path, typer.Argument(help="The site folder, with its site.yaml.")],
    federation: Annotated[Path, typer.Option(help="The study's federation.yaml.")],
) -> None:
    """Read everything as a study would, and say what each modality has; exit code 1 if anything is wrong."""
    problems: list[str] = []
    try:
        data = SiteData(site, load_federation(federation))
    except ValueError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from None
    console.print(_table(data, data.federation, problems))
    for problem in problems:
        console.print(f"[bold red]error:[/] {escape(problem)}", soft_wrap=True, highlight=False)
    raise typer.Exit(1 if problems else 0)


@app.command()
def prepare(
    site: Annotated[Path, typer.Argument(help="The site folder, with its site.yaml.")],
    federation: Annotated[
        Path | None, typer.Option(help="The study's federation.yaml, which has the recipe; the default recipe without.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes; 0 takes one a processor core.", min=0)] = 0,
) -> None:
    """Turn the site's slides into tile features; interrupt it any time, it goes on where it was.

    Exit code 1 if a slide failed, after all others are done; 130 if it was interrupted.
    """
    try:
        settings = load_federation(federation) if federation else None
        failed = prepare_site(site, settings, workers or os.cpu_count() or 1, console)
    except ValueError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        console.print("interrupted: finished slides are kept; the same command goes on from here", highlight=False)
        raise typer.Exit(130) from None
    raise typer.Exit(1 if failed else 0)


@app.command()
def explain(
    site: Annotated[Path, typer.Argument(help="The site folder, with its site.yaml.")],
    case: Annotated[str, typer.Option(help="The case, by its case_id.")],
    release: Annotated[Path, typer.Option(help="The release, with its model.json.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures (PNG) and QuPath's GeoJSON.")],
    label: Annotated[str, typer.Option(help="The class to explain; empty: the one that each branch predicts.")] = "",
) -> None:
    """Show which tiles of a case's slides speak for a class, and which against it. The files stay at the site."""
    try:
        written = explain_case(site, release, case, out, label)
    except ValueError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from None
    for modality, shown, picture in written:
        console.print(f"{modality}: {shown}: {escape(str(picture))} and .geojson", soft_wrap=True, highlight=False)


def _table(data: SiteData, federation: Federation, problems: list[str]) -> Table:
    """A row a modality; the problems of all of them are added to the list."""
    table = Table("modality", "cases", "for training", "notes", title=f"site {data.site.name}")
    for name in federation.modalities:
        if name not in data.site.offers(list(federation.modalities)):
            table.add_row(name, "-", "-", "not offered by site.yaml")
            continue
        try:
            found = data.cases(name)
        except ValueError as error:
            problems.append(f"{name}: {error}")
            table.add_row(name, "?", "?", "cannot be read, see below")
            continue
        notes = ", ".join(f"{count} {what}" for what, count in found.notes.items() if count)
        table.add_row(name, str(len(found.case_ids)), str(len(data.training_cases(name))), notes)
    return table
