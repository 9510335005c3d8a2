"""The command that repeats a run from its study.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from simulations.commands.attack import Attack
from simulations.commands.comparison import Synthetic, Tcga
from simulations.commands.coupling import Add, Remove
from simulations.commands.made_up import Sites
from simulations.commands.options import Out, Settings
from simulations.commands.studies import Convergence, Representations, Robustness
from simulations.commands.study_file import Command, carry_out, read_study

COMMANDS: Mapping[str, type[Command]] = {
    command.NAME: command
    for command in (Synthetic, Tcga, Add, Remove, Representations, Convergence, Robustness, Attack, Sites)
}


def run(
    study: Annotated[Path, typer.Argument(help="The study.yaml of a run, or one of your own.")],
    out: Out,
    settings: Settings = None,
) -> None:
    """Repeat what a study.yaml says, with dotted words over it: folds=3 federation.modalities.cnv.training.lr=1e-3."""
    command, options, federation = read_study(study, settings, COMMANDS)
    carry_out(command, options, federation, out)
