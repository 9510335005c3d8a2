"""The command that writes a run's tables, figures, methods and predictions for a paper."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from modalities.core.console import say
from simulations.export.write import export_run


def export(
    run: Annotated[Path, typer.Argument(help="The --out folder of a run that has ended.")],
    to: Annotated[Path, typer.Option(help="A folder of its own, new or empty.")],
) -> None:
    """A run for a paper: tables as CSV and LaTeX, figures as PDF and SVG with their data, methods, predictions."""
    written = export_run(run, to)
    kinds = Counter(path.parent.name for path in written if path.parent != to)
    say(f"{to}: {kinds['tables'] // 2} tables, {kinds['figures'] // 3} figures")
    say(f"all of it in one document: cd {to} && pdflatex all.tex")
