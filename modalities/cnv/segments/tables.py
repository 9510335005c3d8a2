"""Reads a table of segments: the samples in it, each with its segments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from modalities.cnv.copies import NO_COPY_LOG2
from modalities.cnv.readers.coordinates import AGAIN, chromosomes_of, spans_of
from modalities.cnv.segments.build import Said, assembly_of, fitting, said_beside, said_by_column, said_by_header
from modalities.cnv.segments.layouts import LAYOUTS, Layout, layout_of, with_own_names
from modalities.cnv.segments.profile import CALLS, LOG2, Profile, profiles_of
from modalities.cnv.segments.units import known_units
from modalities.core.contract import Source
from modalities.core.files.tables.delimited import n_comments, numbers, refuse_any, rows_of
from modalities.core.problems import Problem, check, gathering, unusable

_BUILDS = ("build", "genome_build", "assembly", "ncbi_build", "reference_genome", "genome")


@dataclass(frozen=True)
class _Table:
    """A file's rows, and what they are."""

    path: Path
    layout: Layout
    above: list[str]
    """Lines above the header."""
    header: list[str]
    body: list[list[str]]

    @property
    def lines(self) -> range:
        """The body's line numbers."""
        first = len(self.above) + 2
        return range(first, first + len(self.body))

    def cells(self, key: str) -> list[str]:
        """The cells of one of the layout's columns."""
        place = self.layout.place_of(self.header, key)
        return [] if place is None else [row[place] for row in self.body]


def read_table(path: Path, source: Source, format: str) -> list[Profile]:
    """The samples of the file, in its order.

    Raises:
        ValueError: what is wrong with the file.
    """
    table = _table(path, source, format)
    values: dict[str, Float[np.ndarray, " row"]] = {}
    profiles: list[Profile] = []
    problems: list[Problem] = []
    with gathering(problems):
        held = {unit: _numbers(table, unit, places) for unit, places in table.layout.values_in(table.header).items()}
        if LOG2 in held:
            held[LOG2] = np.where(held[LOG2] < table.layout.nothing_below, NO_COPY_LOG2, held[LOG2])
        values = known_units(path, held, source.units, _named(table), is_whole=table.layout.is_whole)
    with gathering(problems):
        profiles = _profiles(table, values, source)
    check(problems)
    return profiles


def _profiles(table: _Table, values: Mapping[str, Float[np.ndarray, " row"]], source: Source) -> list[Profile]:
    path, layout, lines = table.path, table.layout, table.lines
    chromosomes = chromosomes_of(path, table.cells("chromosome"), lines, numbered=layout.is_numbered)
    starts, ends = table.cells("start"), table.cells("end")
    genome = assembly_of(path, _said(table), source.assembly, fitting(chromosomes, ends))
    first, last = spans_of(path, chromosomes, starts, ends, lines, genome, first_base=layout.first_base)
    return profiles_of(path, genome, _samples(table), chromosomes, first, last, values, lines)


def _table(path: Path, source: Source, format: str) -> _Table:
    layouts = [layout for layout in LAYOUTS if layout.format == format]
    comment = layouts[0].comment
    rows = rows_of(path, comment=comment)
    above = n_comments(rows, comment)
    header, body = rows[above], rows[above + 1 :]
    own = [with_own_names(layout, source.columns) for layout in layouts]
    layout = layout_of(header, own)
    if layout is None:
        refuse_any(path, own[0].lacking(header), "no column {}", f"is this a file of {own[0].program}?")
        raise unusable("no column of a copy number", f"is this a file of {own[0].program}?", file=path.name)
    if not body:
        raise unusable("a header and no segment", AGAIN, file=path.name)
    return _Table(path, layout, ["\t".join(row) for row in rows[:above]], header, body)


def _named(table: _Table) -> str:
    """The names of the columns that hold values, for messages."""
    places = [place for places in table.layout.values_in(table.header).values() for place in places]
    return ", ".join(table.header[place] for place in places)


def _numbers(table: _Table, unit: str, places: Sequence[int]) -> Float[np.ndarray, " row"]:
    """The sum of the columns, NaN where one is missing."""
    words = table.layout.words if unit == CALLS else {}
    cells = [[words.get(cell := row[place].strip(), cell) for place in places] for row in table.body]
    names = [table.header[place] for place in places]
    return numbers(table.path, cells, names, first_line=table.lines[0]).sum(axis=1, dtype=np.float64)


def _said(table: _Table) -> list[Said]:
    """What the format, the header and a column say of the assembly."""
    layout, names = table.layout, [cell.strip().casefold() for cell in table.header]
    said = [Said(layout.assembly, f"the format ({layout.program})")] if layout.assembly else []
    said += said_by_header(table.path, table.above) + (said_beside(table.path) if layout.is_shared else [])
    for name in _BUILDS:
        if name in names:
            place = names.index(name)
            said += said_by_column(table.path, table.header[place], [row[place] for row in table.body])
    return said


def _samples(table: _Table) -> list[str]:
    """The sample of each row: by a column, or of the whole file by a line above the header."""
    cells = [cell.strip() for cell in table.cells("sample")]
    if cells:
        blank = [f"line {line}" for line, cell in zip(table.lines, cells, strict=True) if not cell]
        refuse_any(table.path, blank, "no sample in {}", "fill it in or take the row out", are_places=True)
        return cells
    named = [part[3:].strip() for line in table.above if line.startswith("@RG") for part in line.split("\t")[1:]
             if part.startswith("SM:")]  # fmt: skip
    return [named[0] if len(set(named)) == 1 else ""] * len(table.body)
