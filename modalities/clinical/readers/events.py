"""Records of entries, one a measurement, as a file with one row an entry: OMOP, FHIR and GDC's tests share it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modalities.clinical.dictionary import FIELDS
from modalities.clinical.harmonise import File
from modalities.clinical.readers.layout import DAYS, Layout
from modalities.core.contract import IndexDate

CASE = "case"
_FIELDS = tuple(field.name for field in FIELDS)


@dataclass(frozen=True)
class Event:
    """One entry: what was measured of whom, in the site's own word, and where it stands."""

    case_id: str
    field: str
    text: str
    file: str
    line: int
    days: int | None = None
    """From the index date; None: not known."""


def event_file(
    name: str, path: Path, events: Sequence[Event], index: IndexDate, counts: Mapping[str, int] | None = None
) -> File:
    """The entries as a file of this format; `counts` says what else stood there and was left out, by kind."""
    layout = Layout(
        name=name,
        marks=frozenset(),
        columns={field: (field,) for field in _FIELDS},
        case_of=lambda row: row[CASE],
        days=DAYS,
    )
    rows = [[CASE, DAYS, *_FIELDS]]
    for event in events:
        days = "" if event.days is None else str(event.days)
        rows.append([event.case_id, days, *(event.text if field == event.field else "" for field in _FIELDS)])
    places = [(event.file, event.line) for event in events]
    return File(path, layout, rows, places=places, index=index, counts=counts or {})
