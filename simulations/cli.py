"""tessera-simulate: experiments on made-up or public cases, all on one machine."""

import os
from importlib.util import find_spec

import typer

os.environ.setdefault("OMP_NUM_THREADS", "1")
if absent := [name for name in ("matplotlib", "psutil", "ray") if find_spec(name) is None]:
    raise SystemExit(f"error: no {', '.join(absent)} here: `make setup` installs what tessera-simulate alone needs")
from modalities.core.console import plainly
from simulations.commands.attack import attack
from simulations.commands.comparison import demo, synthetic, tcga
from simulations.commands.coupling import add, remove
from simulations.commands.download import download
from simulations.commands.export import export
from simulations.commands.made_up import sites
from simulations.commands.run import run
from simulations.commands.studies import convergence, representations, robustness

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
for _command in (
    download,
    demo,
    synthetic,
    tcga,
    run,
    add,
    remove,
    sites,
    representations,
    convergence,
    robustness,
    attack,
    export,
):
    app.command()(plainly(_command))
