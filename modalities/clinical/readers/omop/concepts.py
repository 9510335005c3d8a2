"""What a concept of an OMOP CDM means here: the site's own map, and LOINC's codes.

LOINC's codes are known as source values, and as concepts where the vocabulary's table is exported too.

The map is a table with the columns `concept`, `field` and, if the concept says the value itself, `value`:

    concept,field,value
    3028833,er,
    1633440,t,T2
    4116071,histology,lobular
    4126681,,positive

A concept is a concept_id or, for entries that were never mapped (concept_id 0), the site's own source value. A row
without a field gives the word of an answer. `diagnosis` in the place of a field marks the cancer itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modalities.clinical.dictionary import BY_NAME
from modalities.clinical.readers.codes import DIAGNOSIS, LOINC, NOTTINGHAM_SCORE
from modalities.clinical.readers.mapped import nearest
from modalities.clinical.readers.omop.tables import Table
from modalities.core.contract import Source
from modalities.core.files.tables.delimited import rows_of
from modalities.core.problems import Problem, unusable

# Source: OHDSI standardised vocabularies (Meas Value; LOINC answers).
_ANSWERS = {
    **dict.fromkeys(("9191", "45884084", "4126681", "45877985"), "positive"),
    **dict.fromkeys(("9189", "45878583"), "negative"),
}
_MARKS = {"concept", "field"}
ANSWER = "value_as_concept_id"


@dataclass
class Concepts:
    """Concept or source value -> field, and the value if the concept itself says it; answers -> words."""

    meanings: dict[str, tuple[str, str]] = field(
        default_factory=lambda: {code: (name, "") for code, name in LOINC.items()}
    )
    answers: dict[str, str] = field(default_factory=lambda: dict(_ANSWERS))
    scores: set[str] = field(default_factory=lambda: {NOTTINGHAM_SCORE})
    """Those whose number may be a grade or the score that it is made from, unless the site says which."""

    def meaning(self, *candidates: str) -> tuple[str, str] | None:
        """Of the first of an entry's concepts and source values that means something here."""
        return next((self.meanings[key] for key in candidates if key in self.meanings), None)


def is_map(header: Sequence[str]) -> bool:
    """Whether a table is a map of concepts."""
    return set(header) >= _MARKS


def concepts_of(
    maps: Sequence[Path], vocabulary: Table | None, coded: Sequence[Table], source: Source, problems: list[Problem]
) -> Concepts:
    """All that the site says of its concepts; what is wrong with it is added to the problems.

    Of the vocabulary's millions of names those are kept that `coded`, the tables of coded answers, hold.
    """
    concepts = Concepts()
    if vocabulary:
        _add_vocabulary(concepts, vocabulary, {row[ANSWER] for table in coded for _, row in table.rows((), (ANSWER,))})
    said: dict[str, tuple[str, str]] = {}
    for path in maps:
        header, *body = rows_of(path)
        if not is_map(header):
            raise unusable("no column concept or field", "write it with both", file=path.name)
        for line, cells in enumerate(body, start=2):
            row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
            _add(said, concepts.answers, row["concept"], row["field"], row.get("value", ""), path.name, line, problems)
    for name, codes in source.concepts.items():
        for code in codes:
            _add(said, concepts.answers, code, name, "", "site.yaml", 0, problems)
    concepts.meanings.update(said)
    concepts.scores -= said.keys()
    return concepts


def _add(
    said: dict[str, tuple[str, str]],
    answers: dict[str, str],
    concept: str,
    name: str,
    value: str,
    file: str,
    line: int,
    problems: list[Problem],
) -> None:
    where = f"line {line}" if line else f"sources.clinical.concepts.{name}"
    known = (*BY_NAME, DIAGNOSIS)
    if not concept:
        problems.append(Problem("no concept", "fill it in or delete the row", file=file, where=where))
    elif not name:
        answers[concept] = value
    elif name not in known:
        problems.append(Problem(f"the dictionary has no field {name!r}", nearest(name, known), file=file, where=where))
    elif said.setdefault(concept, (name, value)) != (name, value):
        what = f"concept {concept} has two meanings: {' '.join(said[concept])} and {name} {value}".rstrip()
        problems.append(Problem(what, "keep one of them", file=file, where=where))


def _add_vocabulary(concepts: Concepts, vocabulary: Table, answers: Collection[str]) -> None:
    """Fields of LOINC's codes, and the names of the answers' concepts as their words."""
    for _, row in vocabulary.rows(("concept_id", "concept_name"), ("vocabulary_id", "concept_code")):
        if row["vocabulary_id"] == "LOINC" and row["concept_code"] in LOINC:
            concepts.meanings[row["concept_id"]] = LOINC[row["concept_code"]], ""
            concepts.scores |= {row["concept_id"]} if row["concept_code"] == NOTTINGHAM_SCORE else set()
        if row["concept_id"] in answers:
            concepts.answers.setdefault(row["concept_id"], row["concept_name"])
