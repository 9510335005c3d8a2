"""What a section of the report is made of: a heading, the sentence that says how to read it, pictures and tables.

A report's own code turns a part of results.json into one of these.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from strategies.report.curve import Curve

if TYPE_CHECKING:  # a live page draws none of these, and need not wait for matplotlib
    from matplotlib.figure import Figure

LONG = 40
"""Rows of a table that is not folded up."""


@dataclass(frozen=True)
class Picture:
    """A figure, and what it shows for whoever cannot see it."""

    figure: "Figure"
    alt: str

    @cached_property
    def uri(self) -> str:
        """The figure as a data URI."""
        from strategies.report.look import svg_uri

        return svg_uri(self.figure)


def pictured(figure: "Figure | None", alt: str) -> tuple[Picture, ...]:
    """A section's pictures where there is at most one."""
    return (Picture(figure, alt),) if figure else ()


@dataclass(frozen=True)
class Table:
    """Text by row; the first column is a heading, the others are set as numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    own: tuple[int, ...] = ()
    """Rows to set off: the default, the chosen one."""
    in_words: bool = False
    """Whether the cells are sentences: they are broken into lines, and not set as numbers."""

    @property
    def is_long(self) -> bool:
        """Whether it is folded up at first: nobody reads a thousand rows on the way to what follows."""
        return len(self.rows) > LONG


@dataclass(frozen=True)
class Section:
    """A section of a report."""

    id: str
    """In small letters and hyphens: the page's own link to it."""
    title: str
    reading: str
    """How to read what follows, in a sentence or two."""
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    note: str = ""
    """What was not shown, or must be kept in mind."""
    facts: tuple[tuple[str, str], ...] = ()
    """What it is about, and how that stands."""
    curves: tuple[Curve, ...] = ()
    alerts: tuple[str, ...] = ()
    """What somebody has to see to."""
