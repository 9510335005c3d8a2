"""A table for a paper: numbers for a program, and the same as text for a reader."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from simulations.scores.results import Json
from strategies.report.section import Section
from strategies.report.words import interval, number


@dataclass(frozen=True)
class PaperTable:
    """One table."""

    name: str
    """Of its files."""
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """Text, as a reader sees it."""
    numbers: pd.DataFrame
    """Unrounded, a row a number with its interval where it has one; for a section of a study, the text itself."""

    @property
    def groups(self) -> Iterator[tuple[str, Sequence[tuple[str, ...]]]]:
        """Runs of rows with the same first cell, which stands above them."""
        frame = pd.DataFrame(list(self.rows))
        for _, own in frame.groupby((frame[0] != frame[0].shift()).cumsum()):
            yield str(own[0].iloc[0]), [tuple(row[1:]) for row in own.itertuples(index=False)]


def with_interval(estimate: Json | None, form: Any = number) -> str:
    """0.926 (0.910 to 0.940), n/a, or nothing where there is no such number."""
    if estimate is None:
        return ""
    ends = interval(estimate, form)
    return f"{form(estimate['value'])}{f' ({ends})' if ends else ''}"


def tables_of_sections(sections: Sequence[Section]) -> list[PaperTable]:
    """The tables of a report's sections, as they stand there."""
    tables = []
    for section in sections:
        for place, table in enumerate(section.tables, start=1):
            name = section.id.replace("-", "_") + (f"_{place}" if len(section.tables) > 1 else "")
            caption = f"{section.title}{': ' if table.caption else ''}{table.caption}".replace("?:", "?")
            header = tuple(title or " " for title in table.header)
            text = pd.DataFrame(list(table.rows), columns=pd.Index(header))
            tables.append(PaperTable(name, caption, ("", *header), tuple(("", *row) for row in table.rows), text))
    return tables
