"""Entries of an OMOP CDM export in the dictionary's terms.

The diagnosis is the first condition that the concept map calls `diagnosis` or `histology`. An entry's value is what its
concept says, else its number, its coded answer, or the site's own text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modalities.clinical.dates import Day, iso_day
from modalities.clinical.harmonise import File
from modalities.clinical.readers.codes import CLINICAL, DIAGNOSIS, as_score, field_of, number_of, word_of
from modalities.clinical.readers.events import NOBODYS, OTHER, READ, Entries, Event
from modalities.clinical.readers.omop.concepts import ANSWER, Concepts, concepts_of
from modalities.clinical.readers.omop.tables import CONCEPT, CONDITION, MEASUREMENT, OBSERVATION, PERSON, Table
from modalities.clinical.readers.people import CASE_ID, case_id_of, cases_in, merged
from modalities.core.contract import Source
from modalities.core.problems import Problem, gathering, unusable

NAME = "omop"
_PEOPLE = "people"
_OPERATORS = {"4171756": "<", "4171754": "<=", "4172704": ">", "4171755": ">="}
"""Source: OHDSI standardised vocabularies (Meas Value Operator)."""
_UNITS = {"": "", "0": "", "8554": "%"}
"""Concepts of units with which a number may be a percentage; of the same vocabularies (Unit)."""
_VALUE = (
    *("value_as_number", "operator_concept_id", "unit_source_value", "unit_concept_id", ANSWER, "value_as_string"),
    "value_source_value",
)


@dataclass(frozen=True)
class _Kind:
    """Where a table of entries keeps what; `{}_concept_id` and the like are named by its stem."""

    stem: str
    date: str

    @property
    def concepts(self) -> tuple[str, ...]:
        """Columns that may say what an entry is, the standard concept first."""
        return f"{self.stem}_concept_id", f"{self.stem}_source_concept_id", f"{self.stem}_source_value"


_KINDS = {
    CONDITION: _Kind("condition", "condition_start_date"),
    MEASUREMENT: _Kind("measurement", "measurement_date"),
    OBSERVATION: _Kind("observation", "observation_date"),
}


def read(
    tables: Mapping[str, Path], maps: Sequence[Path], lists: Sequence[Path], source: Source, problems: list[Problem]
) -> File | None:
    """The export as a file of entries; None where it has a problem."""
    with gathering(problems):
        if PERSON not in tables:
            first = next(iter(tables.values()))
            what = "OMOP's table person is not beside it"
            raise unusable(what, "export person as well: it says who was born when", file=first.name)
        vocabulary = Table(tables[CONCEPT]) if CONCEPT in tables else None
        coded = [Table(tables[name]) for name in (MEASUREMENT, OBSERVATION) if name in tables]
        concepts = concepts_of(maps, vocabulary, coded, source, problems)
        entries = Entries()
        cases = _people(Table(tables[PERSON]), lists, source, entries, problems)
        for name, kind in _KINDS.items():
            if name in tables:
                _add_entries(Table(tables[name]), kind, concepts, cases, entries, problems)
        remedy = "add a table of the columns concept,field,value to paths, or the vocabulary's concept table"
        entries.refuse_none(remedy, (maps[0] if maps else tables[PERSON]).name, problems)
        return entries.as_file(NAME, tables[PERSON], source.index, problems)
    return None


def _people(
    table: Table, lists: Sequence[Path], source: Source, entries: Entries, problems: list[Problem]
) -> dict[str, str]:
    """Person -> case; births are added to the entries.

    A person who stands more than once is refused unless the rows agree: some exports repeat rows, others mix people up.
    """
    column = source.columns.get(CASE_ID, "person_id")
    listed = cases_in(lists)
    needed = tuple(dict.fromkeys(("person_id", "year_of_birth", column)))
    cases: dict[str, str] = {}
    said: dict[str, tuple[str, Day | None]] = {}
    differing: list[int] = []
    for line, row in table.rows(needed, ("month_of_birth", "day_of_birth", "birth_datetime")):
        entries.count(_PEOPLE)
        case_id = case_id_of(row["person_id"], row[column], listed, bool(lists))
        if not row["person_id"].lstrip("-").isdecimal():
            what = f"{row['person_id']!r} is no person_id" + ": the header stands again" * (
                row["person_id"] == "person_id"
            )
            problems.append(Problem(what, "export the table again", file=table.path.name, where=f"line {line}"))
        birth = _birth(row)
        differing += [line] * (said.setdefault(row["person_id"], (case_id, birth)) != (case_id, birth))
        if case_id:
            cases[row["person_id"]] = case_id
        if case_id and birth:
            entries.births[case_id] = birth
    if differing:
        where = f"line {differing[0]}{f' and {len(differing) - 1} more' * (len(differing) > 1)}, column 'person_id'"
        what = "a person stands more than once, as another case or with another birth"
        problems.append(Problem(what, "keep one row a person", file=table.path.name, where=where))
    problems += merged(cases, table.path.name)
    return cases


def _birth(row: Mapping[str, str]) -> Day | None:
    """The day of birth as exactly as it is known."""
    parts = [row["year_of_birth"], row["month_of_birth"], row["day_of_birth"]]
    known = parts[: next((n for n, part in enumerate(parts) if not part), 3)]
    if len(known) < 3 and (day := iso_day(row["birth_datetime"])):
        return day
    return iso_day("-".join(part.zfill(4 if n == 0 else 2) for n, part in enumerate(known)))


def _add_entries(
    table: Table, kind: _Kind, concepts: Concepts, cases: Mapping[str, str], entries: Entries, problems: list[Problem]
) -> None:
    undated: list[int] = []
    needed = ("person_id", kind.concepts[0], kind.date)
    for line, row in table.rows(needed, (*kind.concepts[1:], *_VALUE)):
        meaning = concepts.meaning(*(row[name] for name in kind.concepts))
        case_id = cases.get(row["person_id"], "")
        if meaning is None or meaning[0] == CLINICAL:
            entries.count(OTHER if meaning is None else CLINICAL)
            entries.others[_shown(*(row[name] for name in kind.concepts))] += meaning is None
            continue
        entries.count(READ if case_id else NOBODYS)
        if not case_id:
            continue
        day = iso_day(row[kind.date])
        undated += [line] * (day is None and bool(row[kind.date]))
        name, value = meaning
        if kind.stem == "condition" and name in (DIAGNOSIS, "histology"):
            entries.diagnose(case_id, day, table.path.name, line)
        if name != DIAGNOSIS:
            text = value or _text(name, row, concepts) or row[kind.concepts[2]] * (kind.stem == "condition")
            is_score = name == "grade" and concepts.scores & {row[column] for column in kind.concepts}
            text = as_score(text) if is_score else text
            entries.measured.append((Event(case_id, field_of(name, text), text, table.path.name, line), day))
    if undated:
        where = f"line {undated[0]}{f' and {len(undated) - 1} more' * (len(undated) > 1)}, column {kind.date!r}"
        remedy = "export OMOP's dates as year-month-day, such as 2024-05-31"
        problems.append(Problem("no date of OMOP", remedy, file=table.path.name, where=where))


def _shown(concept: str, source_concept: str, source: str) -> str:
    """What to write into the map for an entry: its concept, or the site's own code where it has none."""
    return next((code for code in (concept, source_concept) if code not in ("", "0")), source)


def _unit(name: str, row: Mapping[str, str]) -> str:
    """The site's word for the unit or, of a percentage without it, what its concept says: .15 may be a ratio."""
    concept = row["unit_concept_id"] if name.endswith("_percent") else ""
    return row["unit_source_value"] or _UNITS.get(concept, f"of unit concept {concept}")


def _text(name: str, row: Mapping[str, str], concepts: Concepts) -> str:
    """The entry's value as text, "" where it has none."""
    if number := row["value_as_number"]:
        comparator = _OPERATORS.get(row["operator_concept_id"], "")
        return number_of(name, number, _unit(name, row), comparator)
    answer = row[ANSWER]
    if answer not in ("", "0") and answer in concepts.answers:
        return word_of(name, concepts.answers[answer])
    own = row["value_as_string"] or row["value_source_value"]
    return own or (f"concept {answer}" if answer not in ("", "0") else "")
