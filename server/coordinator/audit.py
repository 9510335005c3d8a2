"""`tessera-server audit`: what the coordinator countersigned of the sites' audit logs."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from modalities.core.console import console, say, show
from modalities.core.files.atomic import write_json
from modalities.core.problems import Problem, warning
from server.audit.receipts import AUDIT_FILE, Book, read_book
from server.coordinator.folder import Study

HEADER = ("site", "entries", "countersigned", "root")


def audit(
    folder: Annotated[Path, typer.Argument(help="The study's folder, made by `init`.")],
    to: Annotated[
        Path | None, typer.Option(help="A file for sites: `tessera-client audit SITE verify --receipt FILE`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the file would hold.")] = False,
) -> None:
    """List the last head of each site's audit log that was countersigned, and write the receipts to a file.

    Exit code 1 if a site's log did not extend the one before: what was countersigned of it before is exported too.
    """
    book = read_book(Study(folder).run / AUDIT_FILE)
    exported = {"receipts": receipts_of(book)}
    if as_json:
        typer.echo(json.dumps(exported, indent=2))
    else:
        _show(book)
    if to is not None:
        write_json(to, exported)
        if not as_json:
            say(str(to))
    raise typer.Exit(1 if book.breaks else 0)


def receipts_of(book: Book) -> list[dict[str, object]]:
    """All receipts that a log must fit: the last of each site, and those that a later head did not extend."""
    return [*(broken["had"] for broken in book.breaks), *(receipt.to_dict() for receipt in book.last.values())]


def _show(book: Book) -> None:
    if not book.last:
        say("nothing is countersigned yet: no site has answered in this study")
        return
    table = Table(*HEADER, title="audit logs")
    for row in rows_of(book):
        table.add_row(*row)
    console.print(table)
    for problem in breaks_in(book):
        show(problem)


def rows_of(book: Book) -> list[tuple[str, ...]]:
    """A row a site, as text."""
    return [(site, str(receipt.size), receipt.time, receipt.root[:16]) for site, receipt in book.last.items()]


def breaks_in(book: Book) -> list[Problem]:
    """Where a log did not extend its earlier self."""
    found = []
    for broken in book.breaks:
        had, got = broken["had"], broken["got"]
        what = f"{had['site']}: the log of {got['size']} entries on {got['time']} does not begin with the {had['size']}"
        found.append(warning(f"{what} that were countersigned on {had['time']}", "ask the site why"))
    return found
