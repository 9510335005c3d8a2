"""One clinical file in the dictionary's terms: its rows become one record a case."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from modalities.clinical.choosing import Choice
from modalities.clinical.dictionary import BY_NAME, Record
from modalities.clinical.readers.layout import Layout, Row
from modalities.clinical.values import is_missing
from modalities.clinical.words.meanings import PLACE, Meanings
from modalities.core.contract import IndexDate
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem


@dataclass(frozen=True)
class File:
    """A file that was opened and told by its header."""

    path: Path
    layout: Layout
    rows: Sequence[Sequence[str]]
    n_comments: int = 0
    """Lines above the header."""
    index: IndexDate = field(default_factory=IndexDate)
    """Which of repeated measurements counts."""
    places: Sequence[tuple[str, int]] = ()
    """File and line of each row, where the rows were put together from other files."""
    counts: dict[str, int] = field(default_factory=dict)
    """What the format's reader left out, by kind."""

    @property
    def header(self) -> Sequence[str]:
        return self.rows[self.n_comments]

    @property
    def body(self) -> Sequence[Sequence[str]]:
        """Its rows of cases."""
        return self.rows[self.n_comments + self.layout.header_rows :]

    def lines(self) -> Iterator[tuple["Place", Row]]:
        """Where a row stands, and the row by column name."""
        first = self.n_comments + self.layout.header_rows + 1
        places = self.places or [(self.path.name, line) for line in range(first, first + len(self.body))]
        for place, cells in zip(places, self.body, strict=True):
            yield place, dict(zip(self.header, cells, strict=True))


Place = tuple[str, int]
"""File and line."""


@dataclass
class Harmonised:
    """What one file says, in the dictionary's terms."""

    records: dict[str, Record] = field(default_factory=dict)
    skipped: int = 0
    """Rows of no primary tumour."""
    repeated: int = 0
    """Rows beyond a case's first."""
    contradictions: int = 0
    """Values left out, since a case's rows differ in them."""
    outside: int = 0
    """Values left out, since they were not measured on the days that count."""
    patients_skipped: set[str] = field(default_factory=set)
    """Patients of the samples that are no primary tumour."""
    unknown: dict["UnknownValue", list[int]] = field(default_factory=dict)
    """Values that nobody knows, and the lines in which they stand: many rows, one problem."""


class UnknownValue(NamedTuple):
    """A value that neither the site maps nor the dictionary knows."""

    file: str
    field: str
    column: str
    text: str
    remedy: str


@dataclass(frozen=True)
class _Row:
    line: int
    rank: int
    record: Record
    days: int | None = None


def harmonise(file: File, meanings: Meanings, problems: list[Problem]) -> Harmonised:
    """The file's records, in which the site's own words mean what it says; what is wrong is added to the problems."""
    part, choice = Harmonised(), Choice(file.index)
    rows: dict[str, list[_Row]] = {}
    for (name, line), row in file.lines():
        case_id = file.layout.case_of(row)
        if case_id is None:
            part.skipped += 1
            part.patients_skipped.add(row.get(file.layout.patient, "").strip())
            continue
        record = _record(file, (name, line), row, meanings, part.unknown)
        if case_id:
            days = row.get(file.layout.days, "")
            rows.setdefault(case_id, []).append(_Row(line, file.layout.rank(row), record, int(days) if days else None))
        else:
            problems.append(Problem("no case id", "fill it in or delete the row", file=name, where=f"line {line}"))
    for case_id, own in rows.items():
        counted = [row for row in own if row.rank == min(row.rank for row in own)]
        part.skipped += len(own) - len(counted)
        part.repeated += len(counted) - 1
        if file.layout.days:
            part.records[case_id] = choice.of(case_id, [(row.days, row.record) for row in counted])
        elif file.layout.may_differ:
            part.records[case_id], n_different = _agreed([row.record for row in counted])
            part.contradictions += n_different
        else:
            part.records[case_id] = counted[0].record
            problems += _different(file, case_id, counted)
    part.contradictions += choice.contradictions
    part.outside = choice.outside
    problems += _unknown_values(part.unknown, "field" if file.places else "column")
    problems += _half_mapped(file, meanings)
    problems += choice.problems(file.path.name, are_entries=bool(file.places))
    return part


def _agreed(records: Sequence[Record]) -> tuple[Record, int]:
    """What the records say and none contradicts; and how many fields are contradicted."""
    said: dict[str, set[float | str]] = {}
    for record in records:
        for name, value in record.items():
            said.setdefault(name, set()).add(value)
    agreed = {name: next(iter(values)) for name, values in said.items() if len(values) == 1}
    return agreed, len(said) - len(agreed)


def _half_mapped(file: File, meanings: Meanings) -> list[Problem]:
    """Numbers that the dictionary reads, in a field of whose other numbers the site says what they mean.

    Of grades {"7": 2, "9": 3} are scores, and the 3 is none of grade 3; where 2 is positive, 1 hardly is.
    """
    found: dict[tuple[str, str], Problem] = {}
    coded = {name: {word: value for word, value in own.items() if word.isdecimal() and value is not None}
             for name, own in meanings.of_field.items() if BY_NAME[name].kind != "numeric"}  # fmt: skip
    for name, codes in coded.items():
        columns = [column for column in file.layout.columns.get(name, ()) if codes and column in file.header]
        for place, row in file.lines() if columns else ():
            text = next((row[column].strip() for column in columns if not is_missing(row[column])), "")
            if not text.isdecimal() or text in meanings.of_field[name] or (name, text) in found:
                continue
            with suppress(ValueError):
                value = meanings.value(name, text, str)
                twin = next((word for word, means in codes.items() if means == value), "")
                shown = f"{value:g}" if isinstance(value, float) else value
                what = f"{text!r} would be read as {shown}, and so is {twin!r} as site.yaml maps it"
                remedy = (
                    f"say what {text!r} means as well, under {PLACE}.{name}, if these are codes or scores of your own"
                )
                if twin:
                    found[name, text] = Problem(what, remedy, file=place[0], where=f"line {place[1]}, {name}")
    return list(found.values())


def _different(file: File, case_id: str, rows: Sequence[_Row]) -> list[Problem]:
    lines = [str(row.line) for row in rows if row.record != rows[0].record]
    what = f"case {case_id} stands more than once and the rows differ (line {listing(lines)})"
    return [Problem(what, "keep one row a case", file=file.path.name)] * bool(lines)


def _unknown_values(unknown: Mapping[UnknownValue, list[int]], kind: str) -> list[Problem]:
    found = []
    for value, lines in unknown.items():
        place = f"line {lines[0]}{f' and {len(lines) - 1} more' * (len(lines) > 1)}, {kind} {value.column!r}"
        remedy = f"{value.remedy}; `tessera-client map SITE` lists such words and maps them in site.yaml"
        found.append(Problem(f"{value.text!r} is not known", remedy, file=value.file, where=place))
    return found


def _record(file: File, place: Place, row: Row, meanings: Meanings, unknown: dict[UnknownValue, list[int]]) -> Record:
    record: dict[str, float | str] = {}
    for name, columns in file.layout.columns.items():
        for column in columns:
            text = row.get(column, "")
            try:
                value = meanings.value(name, text, file.layout.convert.get((name, column), str))
            except ValueError as error:
                value_there = UnknownValue(place[0], name, column, text.strip(), str(error))
                unknown.setdefault(value_there, []).append(place[1])
                break
            if value is not None:
                record[name] = value
                break
    return record


def drop_patients_without_primary(files: Sequence[File], parts: Sequence[Harmonised]) -> None:
    """Take out of a study's patients those of whom its file of samples has other samples than primary tumours only."""
    by_sample = [part for file, part in zip(files, parts, strict=True) if file.layout.patient]
    primary = {case_id for part in by_sample for case_id in part.records}
    gone = {patient for part in by_sample for patient in part.patients_skipped} - primary
    names = {file.layout.name for file in files if file.layout.patient}
    for file, part in zip(files, parts, strict=True):
        if file.layout.name in names:
            absent = gone & part.records.keys()
            part.skipped += len(absent)
            part.records = {case_id: record for case_id, record in part.records.items() if case_id not in absent}


def row_notes(files: Sequence[File], parts: Sequence[Harmonised]) -> Mapping[str, int]:
    """Rows used and left out, by format: a file's own name could tell of its owner."""
    notes: dict[str, int] = {}
    headers: dict[str, set[str]] = {}
    for file, part in zip(files, parts, strict=True):
        name = file.layout.name
        if file.places:
            _add(notes, {f"{name}: {kind}": count for kind, count in _of_entries(file, part).items()})
            continue
        held = headers.setdefault(name, set())
        held |= set(file.header)
        notes[f"{name}: fields the file lacks"] = sum(not set(own) & held for own in file.layout.columns.values())
        counts = {
            f"{name}: rows used": len(part.records),
            f"{name}: rows that are no primary tumour": part.skipped,
            f"{name}: rows repeated": part.repeated,
            f"{name}: values in which a case's rows differ": part.contradictions,
        }
        if file.layout.days:
            counts[f"{name}: values not of the days that count"] = part.outside
        _add(notes, counts)
    return notes


def _of_entries(file: File, part: Harmonised) -> Mapping[str, int]:
    """Of records of entries: what the reader counted, and what became of the values."""
    return {
        "cases": len(part.records),
        **file.counts,
        "values in which entries of the day that counts differ": part.contradictions,
        "values not of the days that count": part.outside,
    }


def _add(notes: dict[str, int], counts: Mapping[str, int]) -> None:
    notes.update({key: notes.get(key, 0) + count for key, count in counts.items()})
