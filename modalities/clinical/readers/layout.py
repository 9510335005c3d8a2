"""What a reader says about its file format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Row = Mapping[str, str]


@dataclass(frozen=True)
class Layout:
    """A format: told by its header, read through a list of columns for each field of the dictionary."""

    name: str
    marks: frozenset[str]
    """Column names that together tell the format."""
    columns: Mapping[str, tuple[str, ...]]
    """Field -> its columns; the first that is not missing counts."""
    case_of: Callable[[Row], str | None]
    """The case of a row, "" where none is named; None for a sample that is no primary tumour."""
    header_rows: int = 1
    """Rows above the first case."""
    has_header: Callable[[list[list[str]]], bool] = lambda rows: True
    """Whether the header rows are all there."""
