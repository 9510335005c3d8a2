"""Records of entries, one a measurement, as a file with one row an entry: OMOP, FHIR and GDC's tests share it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from modalities.clinical.dates import Day, age_on
from modalities.clinical.dictionary import FIELDS
from modalities.clinical.harmonise import File
from modalities.clinical.readers.layout import DAYS, Layout
from modalities.core.contract import IndexDate
from modalities.core.problems import Problem, listing

CASE = "case"
READ, OTHER, NOBODYS = "entries read", "entries of other codes", "entries of people without a case"
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


@dataclass
class Entries:
    """What the readers of entries gather: measurements with their dates, births and diagnoses."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((READ, OTHER, NOBODYS), 0))
    others: Counter[str] = field(default_factory=Counter)
    """Codes of the entries that mean no field."""
    measured: list[tuple[Event, Day | None]] = field(default_factory=list)
    births: dict[str, Day] = field(default_factory=dict)
    diagnosed: dict[str, tuple[Day, str, int]] = field(default_factory=dict)
    """Case -> its first diagnosis, and where that stands."""

    def count(self, kind: str) -> None:
        """One entry more of this kind."""
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def refuse_none(self, remedy: str, file: str, problems: list[Problem]) -> None:
        """A problem where entries are there and none means a field, with the codes that they bear."""
        if self.counts[OTHER] and not self.counts[READ] + self.counts[NOBODYS]:
            often = listing([f"{code} ({count})" for code, count in self.others.most_common()])
            what = (
                f"none of the {self.counts[OTHER]} entries means a field of the dictionary; they bear the codes {often}"
            )
            problems.append(Problem(what, remedy, file=file))

    def diagnose(self, case_id: str, day: Day | None, file: str, line: int) -> None:
        """The case was diagnosed on that day, unless an earlier one is known."""
        if day and (case_id not in self.diagnosed or day.date < self.diagnosed[case_id][0].date):
            self.diagnosed[case_id] = day, file, line

    def as_file(self, name: str, path: Path, index: IndexDate, problems: list[Problem]) -> File:
        """The entries with their days from the diagnosis, and the ages at it."""
        if index.date not in ("", "diagnosis"):
            where = "sources.clinical.index.date"
            what = f"{index.date!r}: records of this kind know the date of diagnosis only"
            problems.append(Problem(what, "write diagnosis", file=path.name, where=where))
        events = []
        for event, day in self.measured:
            known = self.diagnosed.get(event.case_id)
            days = (day.date - known[0].date).days if day and known and day.is_exact and known[0].is_exact else None
            events.append(replace(event, days=days))
        return event_file(name, path, [*events, *self._ages(problems)], index, self.counts)

    def _ages(self, problems: list[Problem]) -> list[Event]:
        found = []
        for case_id, (day, file, line) in self.diagnosed.items():
            birth = self.births.get(case_id)
            if birth is None:
                continue
            if (age := age_on(birth, day)) < 0:
                where = f"line {line}"
                problems.append(Problem("diagnosed before birth", "correct one of the dates", file=file, where=where))
            else:
                found.append(Event(case_id, "age", str(age), file, line, 0))
                self._count_inexact(birth, day)
        return found

    def _count_inexact(self, birth: Day, day: Day) -> None:
        if not (birth.is_exact and day.is_exact):
            self.count("ages from a year or month alone, up to a year off")


def event_file(
    name: str, path: Path, events: Sequence[Event], index: IndexDate, counts: dict[str, int] | None = None
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
