"""Which of a case's repeated measurements counts: the site says it, nothing is guessed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from modalities.clinical.dictionary import Record
from modalities.core.contract import IndexDate
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem

PLACE = "sources.clinical.index"
_OF_ENTRIES, _OF_ROWS = "date: diagnosis", "date: COLUMN, measured: COLUMN"


@dataclass(frozen=True)
class Measured:
    """A value of a field, and the day of its measurement from the index date; None: no such day is known."""

    days: int | None
    value: float | str


@dataclass
class Choice:
    """The measurement that counts of each field, for one case after the other."""

    index: IndexDate
    contradictions: int = 0
    """Fields of cases with different values on the day that counts: none is taken."""
    outside: int = 0
    """Fields of cases with no measurement on the days that count."""
    undecided: dict[str, set[str]] = field(default_factory=dict)
    """Field -> cases with different values and nothing that says which counts."""
    undated: dict[str, set[str]] = field(default_factory=dict)
    """The same, where the index is said and the days are not known, of one of them perhaps."""

    def of(self, case_id: str, rows: Sequence[tuple[int | None, Record]]) -> Record:
        """The case's record, of its rows with their days."""
        measured: dict[str, list[Measured]] = {}
        for days, record in rows:
            for name, value in record.items():
                measured.setdefault(name, []).append(Measured(days, value))
        chosen = {name: self._chosen(case_id, name, values) for name, values in measured.items()}
        return {name: value for name, value in chosen.items() if value is not None}

    def problems(self, file: str, *, are_entries: bool) -> list[Problem]:
        """What the site has to decide, with the number of cases; a table has columns for the dates."""
        found = []
        setting = f"{PLACE}: {{{_OF_ENTRIES if are_entries else _OF_ROWS}, take: nearest}}"
        for fields, why, remedy in (
            (self.undecided, "nothing says which counts", f"say it in site.yaml as {setting}"),
            (self.undated, "the days between measurement and index date are not known", "give both dates"),
        ):
            if fields:
                cases = set.union(*fields.values())
                what = f"{listing(sorted(fields))} differ between the measurements of {len(cases)} cases, and {why}"
                found.append(Problem(what, f"{remedy}, or keep one of them", file=file, where=PLACE))
        return found

    def _chosen(self, case_id: str, name: str, values: Sequence[Measured]) -> float | str | None:
        dated = [measured for measured in values if measured.days is not None]
        if self.index.date and dated:
            chosen = self._by_day(dated)
            if chosen is None or all(measured.value == chosen for measured in values if measured.days is None):
                return chosen
            self.undated.setdefault(name, set()).add(case_id)  # the one without a day may be the nearest
            return None
        if len({measured.value for measured in values}) == 1:
            return values[0].value
        open_ones = self.undated if self.index.date else self.undecided
        open_ones.setdefault(name, set()).add(case_id)
        return None

    def _by_day(self, values: Sequence[Measured]) -> float | str | None:
        days = [measured.days for measured in values if measured.days is not None]
        limit, take = self.index.within_days, self.index.take
        on_time = [
            day
            for day in days
            if (not limit or abs(day) <= limit) and (take == "nearest" or (day <= 0 if take == "before" else day >= 0))
        ]
        if not on_time:
            self.outside += 1
            return None
        counted = min(on_time, key=lambda day: (abs(day), day))  # of two as near, the one before
        held = {measured.value for measured in values if measured.days == counted}
        self.contradictions += len(held) > 1
        return next(iter(held)) if len(held) == 1 else None
