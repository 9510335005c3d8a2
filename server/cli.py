"""tessera-server: what the coordinator runs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from modalities.core.console import console, plainly, say
from modalities.core.keyfiles import keep_from_others
from server.backup.commands import backup, restore
from server.coordinator import commands, service
from server.coordinator.audit import audit
from server.coordinator.evaluate import evaluate
from server.coordinator.settings_page import settings_text, written_into
from server.coordinator.track import track
from server.report.command import report
from server.report.page import page
from strategies.settings import load_federation

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.callback()
def main() -> None:
    """What the coordinator runs."""
    keep_from_others()


@app.command()
@plainly
def check(
    federation: Annotated[Path, typer.Argument(help="federation.yaml.")],
    settings: Annotated[list[str] | None, typer.Argument(help="Dotted settings over it.")] = None,
) -> None:
    """Check federation.yaml as a whole, and print its digest; exit code 1 if anything is wrong."""
    found = load_federation(federation, settings or [])
    table = Table("modality", "kind", "features", "strategy", "rounds", title=f"{found.task.name}, seed {found.seed}")
    for name, config in found.modalities.items():
        features, federated = str(len(config.features) or "-"), config.federated
        table.add_row(name, config.kind, features, federated.strategy, str(federated.rounds))
    console.print(table)
    say(f"digest {found.digest}")


@app.command()
@plainly
def show(release: Annotated[Path, typer.Argument(help="A release folder.")]) -> None:
    """Check every file of a release against its digest, and say what is in it; exit code 1 if anything is wrong."""
    from server.state.release import read_release

    study, model = read_release(release)
    table = Table("modality", "training cases", "rounds", title=f"{study.federation.task.name}: {release}")
    for name in model["modalities"]:
        table.add_row(name, str(model["cases"][name]), str(model["rounds"].get(name, "-")))
    console.print(table)
    console.print(f"fusion head: {study.head_name}; {len(model['files'])} files as released")


@app.command()
@plainly
def settings(
    into: Annotated[
        Path | None, typer.Option(help="A Markdown page whose tables of settings are brought up to date.")
    ] = None,
) -> None:
    """Print every setting of federation.yaml and site.yaml: its default and what it means."""
    if into is None:
        typer.echo(settings_text(), nl=False)
        return
    try:
        into.write_text(written_into(into.read_text(encoding="utf-8")), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(f"{into}: {error}") from error


app.add_typer(service.app, name="service")
for _command in (
    commands.init,
    commands.hand_out,
    commands.enrol,
    commands.revoke,
    commands.roster,
    commands.start,
    commands.run,
    commands.resume,
    commands.status,
    page,
    commands.release,
    report,
    commands.renew,
    commands.verify,
    backup,
    restore,
    evaluate,
    audit,
    track,
):
    app.command()(plainly(_command))
