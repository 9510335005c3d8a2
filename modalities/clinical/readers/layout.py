"""What a reader says about its file format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Row = Mapping[str, str]
DAYS = "days from the index date"
"""Column that is worked out: when a row was measured."""


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
    is_commented: bool = False
    """Lines that start with # stand above the header."""
    convert: Mapping[tuple[str, str], Callable[[str], str]] = field(default_factory=dict)
    """(Field, column) -> the column's text in the field's unit."""
    note: str = ""
    """What a site should know of the format's values; said with the number of cases."""
    rank: Callable[[Row], int] = lambda row: 0
    """Of a case's rows only those of the lowest rank count."""
    may_differ: bool = False
    """A case's rows may differ: what they agree on is read. Otherwise rows that differ are refused."""
    days: str = ""
    """Column of the days from the index date to a row's measurements: which of them count is the site's to say."""
    patient: str = ""
    """Column of the patient in a file of samples: one without a primary tumour is left out of the patients' file."""
