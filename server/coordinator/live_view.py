"""What `run` and `status` show of a study, and `page` too."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from server.coordinator.evaluation_table import evaluation_table
from server.state.missing import said
from server.state.status import stage

_NOTES = 5
PROGRESS = ("modality", "rounds", "held-out loss", "received", "sent")


def view(status: Mapping[str, Any]) -> Group:
    """The status as a person wants to see it."""
    sites = Table("site", *sorted({name for held in status.get("cohorts", {}).values() for name in held}))
    names = [str(column.header) for column in sites.columns][1:]
    for site, held in status.get("cohorts", {}).items():
        sites.add_row(
            f"{site} (away)" if site in status.get("away", ()) else site, *(str(held.get(name, "-")) for name in names)
        )
    for site in status.get("only_evaluate", ()):
        sites.add_row(f"{site} (evaluates only)", *("-" for _ in names))
    progress = Table(*PROGRESS)
    for row in progress_rows(status):
        progress.add_row(*row)
    head = Text(f"phase: {stage(status, 'waiting for the sites')}")
    measured = [evaluation_table(status["evaluation"])] if status.get("evaluation") else []
    return Group(head, sites, progress, *measured, *(Text(line) for line in _lines(status)))


def progress_rows(status: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A row a modality, as text."""
    rows = []
    for name, own in status.get("rounds", {}).items():
        traffic = status.get("bytes", {}).get(name, {"up": 0, "down": 0})
        loss = status.get("held_out", {}).get(name)
        done = f"{own['done']} of {own['of']}{' (ended)' if own['ended'] else ''}"
        shown = "-" if loss is None else f"{loss:.4f}"
        rows.append((name, done, shown, f"{traffic['up'] / 1e6:.2f} MB", f"{traffic['down'] / 1e6:.2f} MB"))
    return rows


def _lines(status: Mapping[str, Any]) -> list[str]:
    """What is not as it should be: who is away, what waits, and the last notes."""
    lines = [f"not here yet: {', '.join(status['missing'])}"] if status.get("missing") else []
    lines += [f"away: {', '.join(status['away'])}"] if status.get("away") else []
    incomplete = said(status.get("incomplete", {}))
    lines += [f"not in every sum: {site}: {what}" for site, what in incomplete.items()]
    lines += [f"waiting: {about(name)}{reason}" for name, reason in status.get("waiting", {}).items()]
    lines += [f"noted: {about(note['site'], note['part'])}{note['text']}" for note in status.get("notes", [])[-_NOTES:]]
    return lines + ([status["note"]] if status.get("note") else [])


def about(*names: str) -> str:
    """Site and part, or what there is of both: `*` stands for all of them."""
    named = ", ".join(name for name in names if name != "*")
    return f"{named}: " if named else ""
