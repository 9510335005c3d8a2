"""`tessera-server report`."""

from pathlib import Path
from typing import Annotated

import typer

from modalities.core.console import say


def report(
    folder: Annotated[Path, typer.Argument(help="The study's folder, or a release.")],
    out: Annotated[
        Path | None, typer.Option(help="A folder for it; without it, `report` in the study's folder.")
    ] = None,
) -> None:
    """Write report.html and results.json: how good a study's model is, by class and by site."""
    from modalities.core.release.release import MODEL
    from server.report.facts import facts_in
    from server.report.write import write_report

    if out is None and (folder / MODEL).is_file():
        raise ValueError(f"{folder} is a release, whose files are as they were signed: say where with --out")
    facts = facts_in(folder)
    html, results = write_report(facts, out or folder / "report")
    say(f"report: {html}\nnumbers: {results}")
    if facts.why_not:
        say(f"no accuracy can be shown: {facts.why_not}")
