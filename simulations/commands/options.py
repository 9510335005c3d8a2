"""Options that several commands of tessera-simulate share; what is changed rarely is a dotted word or in study.yaml."""

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(help="Folder for everything this makes; the same command goes on where it stopped.")]
Settings = Annotated[
    list[str] | None,
    typer.Argument(help="Dotted settings, and options of study.yaml: modalities.cnv.training.lr=1e-3 workers=1 seed=1"),
]
Cv = Annotated[str, typer.Option(help="random; sites: whole sites held out; preserved: these with even classes.")]
Seed = Annotated[int | None, typer.Option(help="Seeds everything; without it: 0, or what --federation says.")]
Settled = Annotated[
    Path | None,
    typer.Option("--federation", help="A federation.yaml: task, modalities, fusion and all settings (docs/tasks.md)."),
]
Data = Annotated[Path, typer.Option(help="Folder of tables, laid out as docs/tcga.md says or as its dataset.yaml.")]
Folds = Annotated[int, typer.Option(help="Outer folds.")]
Small = Annotated[bool, typer.Option("--small", help="Fewer rounds (and cases), for a quick look.")]
Release = Annotated[Path, typer.Option(help="A release of `--release`, `add` or `remove`.")]
Modality = Annotated[str, typer.Option(help="The modality's name.")]
Masking = Annotated[
    bool, typer.Option("--masking", help="Federate under masks, as between hospitals: the server sees sums only.")
]
MASKED = ("privacy.masking=required",)
"""What the option adds to the settings."""
