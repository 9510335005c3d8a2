"""Options that several commands of tessera-simulate share."""

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(help="Folder for everything this makes; the same command goes on where it stopped.")]
Settings = Annotated[
    list[str] | None, typer.Argument(help="Dotted settings over the defaults: modalities.cnv.training.lr=1e-3 seed=1")
]
Cv = Annotated[str, typer.Option(help="random; sites: whole sites held out; preserved: these with even classes.")]
Workers = Annotated[int, typer.Option(help="Arms and folds run side by side; 0: one a processor.")]
Engine = Annotated[str, typer.Option(help="inline (this process) or flower (Flower's simulation engine).")]
Seed = Annotated[int | None, typer.Option(help="Seeds everything; without it: 0, or what --federation says.")]
Settled = Annotated[
    Path | None,
    typer.Option("--federation", help="A federation.yaml: task, modalities, fusion and all settings (docs/tasks.md)."),
]
Heads = Annotated[
    str, typer.Option("--fusion", help="Fusion heads to print side by side: all, or names with commas between.")
]
Cnv = Annotated[
    str | None, typer.Option(help="Copy number by gene as calls (if not given) or log2, or arms: by chromosome arm.")
]
Release = Annotated[Path | None, typer.Option(help="Also keep the release of the first fold's federated study here.")]
Data = Annotated[Path, typer.Option(help="Folder of tables, laid out as docs/tcga.md says or as its dataset.yaml.")]
Modalities = Annotated[str, typer.Option(help="Comma-separated; a name that is no plug-in is a table.")]
Clinical = Annotated[str, typer.Option(help="ihc, or no_ihc without receptor status.")]
MinSite = Annotated[int, typer.Option(help="Sites with fewer usable cases are pooled as `other`.")]
SitesBy = Annotated[Path | None, typer.Option(help="CSV: site code in the first column, group in `site`.")]
Folds = Annotated[int, typer.Option(help="Outer folds.")]
Use = Annotated[int, typer.Option(help="Outer folds that are run, from the first on.")]
