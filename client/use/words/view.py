"""The unknown words of a site as tables for a terminal, and the lines that were written."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from modalities.core.console import console, say
from modalities.core.files.tables.delimited import listing
from modalities.core.hooks import COLUMNS, UnknownWord

_SURE, _UNSURE, _NONE = "green", "yellow", "dim"


def show_words(title: str, words: Sequence[UnknownWord], least: float) -> None:
    """A row a word, with its proposal and how sure that is; columns that speak of no field are named in one line."""
    listed = [word for word in words if word.proposal or word.section != COLUMNS]
    if listed:
        console.print(_table(title, listed, least))
    left = [word.written for word in words if word not in listed]
    if left:
        say(f"columns that speak of no field, left alone: {listing(left)}")


def _table(title: str, words: Sequence[UnknownWord], least: float) -> Table:
    by_field = any(word.field for word in words)
    names = [*(["field"] if by_field else []), "in your files", "rows", "may mean", "sure"]
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(name, justify="right" if name in ("rows", "sure") else "left", overflow="fold")
    before = ""
    for word in words:
        if by_field and before and word.field != before:
            table.add_section()
        field = [word.field if word.field != before else ""] if by_field else []
        table.add_row(*field, escape(word.written), str(word.count), *_proposal(word, least))
        before = word.field
    return table


def _proposal(word: UnknownWord, least: float) -> tuple[str, str]:
    if word.proposal is None:
        return f"[{_NONE}]?[/]", ""
    colour = _SURE if word.proposal.sureness >= least else _UNSURE
    percent = int(100 * word.proposal.sureness)  # rounded down: what is not sure enough does not look so
    return f"[{colour}]{escape(word.proposal.means)}[/]", f"[{colour}]{percent} %[/]"
