"""`tessera-client map`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client.use.words.choices import Choice, Objection, answered, sure_ones
from client.use.words.view import show_words
from modalities.core.console import console, say, show
from modalities.core.hooks import COLUMNS, UnknownWord
from modalities.core.settings.site import SITE_FILE, read_site_config

if TYPE_CHECKING:
    from client.use.words.mapping import Mapped
    from modalities.core.settings.federation import Federation

_SURE = 90
_ALL_KNOWN = ("every value and label is known", "every value and label that could be looked at is known")


def map_command(
    site: Annotated[Path, typer.Argument(help="The site folder, with its site.yaml.")],
    federation: Annotated[
        Path | None, typer.Option(help="The study's federation.yaml; without, the one that the site agreed to.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write all that is sure enough, and ask nothing.")] = False,
    sure: Annotated[int, typer.Option(help="How sure is sure enough, in percent.", min=50, max=100)] = _SURE,
) -> None:
    """List the columns, values and labels that nobody knows, propose what they mean, and write it into site.yaml.

    Nothing is mapped that is not written there. Exit code 1 where a value or a label is still unknown.
    """
    from client.use.words.mapping import map_words

    asks = not yes and sys.stdin.isatty() and console.is_terminal
    is_trial, least = not (yes or asks), sure / 100

    def choose(title: str, words: Sequence[UnknownWord], objection: Objection) -> list[Choice]:
        show_words(title, words, least)
        taken = sure_ones(words, least) if not asks or _confirmed(words, least) else []
        if not asks:
            return taken
        done = [choice.word for choice in taken]
        open_ones = [word for word in words if word not in done and (word.proposal or word.section != COLUMNS)]
        return [*taken, *answered(open_ones, lambda question: console.input(question, markup=False), objection)]

    settings = _settings(site, federation)
    mapped = map_words(site, settings, choose, is_trial)
    if settings is None:
        say("labels were not looked at: give --federation FILE, or name it as coordinator.federation in site.yaml")
    for problem in mapped.problems:
        show(problem)
    if is_trial:
        _say_what_could_be_done(mapped, sure)
    else:
        _say_what_was_done(site / SITE_FILE, mapped)
    raise typer.Exit(1 if mapped.unknown or mapped.problems or (is_trial and mapped.n_mapped) else 0)


def _confirmed(words: Sequence[UnknownWord], least: float) -> bool:
    n_sure = len(sure_ones(words, least))
    return n_sure > 0 and typer.confirm(f"Take the {n_sure} that are at least {least:.0%} sure?", default=True)


def _settings(site: Path, given: Path | None) -> "Federation | None":
    """The study's settings: those given, or those agreed to; None where there are none."""
    from strategies.settings import load_federation

    agreed = read_site_config(site / SITE_FILE).coordinator.federation
    path = given or (site / agreed if agreed else None)
    return load_federation(path) if path else None


def _say_what_could_be_done(mapped: "Mapped", sure: int) -> None:
    if not (mapped.n_mapped or mapped.unknown):
        say(_ALL_KNOWN[bool(mapped.problems)])
        return
    say(f"{mapped.n_mapped} proposals are at least {sure} % sure; {mapped.unknown} values or labels have none that is")
    say("nothing was written: --yes writes the sure ones, and a person at a terminal is asked about all")


def _say_what_was_done(path: Path, mapped: "Mapped") -> None:
    if mapped.n_mapped:
        say(f"{path}: {mapped.n_mapped} lines written; read them, then: tessera-client check {path.parent}")
    if mapped.unknown:
        remedy = "run this again, write them into site.yaml by hand, or correct the export"
        say(f"{mapped.unknown} values or labels are unknown still: {remedy}")
    else:
        say(_ALL_KNOWN[bool(mapped.problems)])
