"""Whether clinical records can be true: the rules of the dictionary, and what cells say that the dictionary drops."""

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence, Set

import numpy as np
import pandas as pd

from modalities.clinical.config import Config
from modalities.clinical.dictionary import FIELDS, Field
from modalities.clinical.harmonise import File
from modalities.clinical.reading import opened
from modalities.clinical.rules import PLAUSIBLE, RULES
from modalities.core.contract import Cases, Source
from modalities.core.hooks import Plausibility, Quantity
from modalities.core.plausible.rules import judged, some_of
from modalities.core.problems import Problem, warning

_PREFIX = re.compile(r" *([cpyra]{1,3})[TN]?(?:is|[0-4x])", re.IGNORECASE)
_RECEPTORS = ("er", "pr", "her2")
_FEWEST = 8
"""Cases of which something is asked for at all."""
_PREFIXES = {"y": "after treatment", "c": "clinical", "a": "of an autopsy", "r": "of a recurrence"}


def plausibility(source: Source, cases: Cases, config: Config) -> Plausibility:
    """The rules that the records break, the numbers of the dictionary, and each record as traits."""
    if not cases.case_ids:
        return Plausibility()
    fields = [field for field in FIELDS if set(field.features) & set(cases.features)]
    frame = decoded(cases, fields)
    problems = judged(RULES, frame, where=lambda rule: " and ".join(rule.needs))
    quantities = [_quantity(field, frame) for field in fields if field.kind == "numeric"]
    files = opened(source, [])
    return Plausibility(
        [
            *problems,
            *_without_receptors(files, frame),
            *_strangers(files),
            *_mapped_twice(source),
            *_not_pathologic(source, files, set(cases.case_ids)),
        ],
        quantities,
        [_traits(row) for _, row in frame.iterrows()],
    )


def decoded(cases: Cases, fields: Sequence[Field]) -> pd.DataFrame:
    """A row a case, a column a field: numbers, or the state of a category; None or NaN where it is not known."""
    values, at = np.asarray(cases.values), {name: column for column, name in enumerate(cases.features)}
    columns: dict[str, object] = {}
    for field in fields:
        held = [name for name in field.features if name in at]
        if not field.states:
            columns[field.name] = values[:, at[held[0]]].astype(np.float64)
            continue
        marks = values[:, [at[name] for name in held]]
        states = [name.partition("=")[2] for name in held]
        columns[field.name] = [states[int(row.argmax())] if (row == 1).any() else None for row in marks]
    return pd.DataFrame(columns, index=pd.Index(cases.case_ids))


def _traits(row: pd.Series) -> tuple[Hashable | None, ...]:
    return tuple(None if pd.isna(value) else value for value in row)


def _quantity(field: Field, frame: pd.DataFrame) -> Quantity:
    low, high = PLAUSIBLE.get(field.name, (field.low, field.high))
    return Quantity(field.name, field.unit, frame[field.name].to_numpy(dtype=np.float64), low, high)


def _without_receptors(files: Sequence[File], frame: pd.DataFrame) -> list[Problem]:
    """Receptors that the study asks for, whose columns are there, and of which nothing at all is known."""
    held = {name for file in files for name in _fields_of(file)}
    asked = [name for name in _RECEPTORS if name in frame and name in held]
    if not asked or len(frame) < _FEWEST or frame[asked].notna().any(axis=None):
        return []
    what = f"{' and '.join(asked)} are known in none of {len(frame)} cases, though the files have their columns"
    return [warning(f"{what}: an export without its values", "export it again, or compare the ids", where="er")]


def _strangers(files: Sequence[File]) -> list[Problem]:
    """Files of other fields than all others, and not one of their cases: ids that are written in another way."""
    held = [{*filter(None, (file.layout.case_of(row) for _, row in file.lines()))} for file in files]
    fields = [_fields_of(file) for file in files]
    found = []
    for at, file in enumerate(files):
        others = [other for other in range(len(files)) if other != at]
        met: set[str] = set().union(*(held[other] for other in others))
        said: set[str] = set().union(*(fields[other] for other in others))
        if min(len(held[at]), len(met)) >= _FEWEST and not held[at] & met and not fields[at] & said:
            what = f"none of its {len(held[at])} cases is in another clinical file"
            remedy = "compare the ids: leading zeros, prefixes and other spellings make others of them"
            found.append(warning(what, remedy, file=file.path.name))
    return found


def _fields_of(file: File) -> set[str]:
    return {name for name, columns in file.layout.columns.items() if {*columns} & {*file.header}}


def _mapped_twice(source: Source) -> list[Problem]:
    """Columns of the site's file that site.yaml gives to two fields."""
    counts = Counter(source.columns.values())
    found = []
    for column in [column for column, count in counts.items() if count > 1]:
        fields = [field for field, mapped in source.columns.items() if mapped == column]
        what = f"{' and '.join(fields)} are read from the same column {column!r}: at most one of them can be right"
        remedy = "name each field's own column, and leave out a field that the file lacks"
        found.append(warning(what, remedy, file="site.yaml", where="sources.clinical.columns"))
    return found


def _not_pathologic(source: Source, files: Sequence[File], case_ids: Set[str]) -> list[Problem]:
    """T and N that their prefix calls no pathologic ones before treatment; the dictionary reads the number alone."""
    cases_by_kind: dict[tuple[str, str], dict[str, str]] = {}
    for field in ("t", "n"):
        for case_id, text in _written(source, files, field, case_ids):
            prefix = _PREFIX.match(text)
            kinds = [kind for letter, kind in _PREFIXES.items() if prefix and letter in prefix[1].lower()]
            if kinds:
                cases_by_kind.setdefault((field, " and ".join(kinds)), {})[case_id] = text.strip()
    return [
        warning(
            f"{field.upper()} is {kind} in {len(texts)} cases "
            f"({some_of([f'{case_id}: {text}' for case_id, text in texts.items()])}) "
            f"and read as pathologic {field.upper()}: it is another measurement than that of the other sites",
            f"name the column of the pathologic {field.upper()}, or leave the field out",
            where=field,
        )
        for (field, kind), texts in cases_by_kind.items()
    ]


def _written(source: Source, files: Sequence[File], field: str, case_ids: Set[str]) -> Iterator[tuple[str, str]]:
    """One of these cases and the cell of each row that gives the field, as the file has it."""
    for file in files:
        columns = file.layout.columns.get(field, ())
        for _, row in file.lines():
            case_id = source.called(file.layout.case_of(row) or "")
            text = next((row[column] for column in columns if row.get(column, "").strip()), "")
            if case_id in case_ids and text:
                yield case_id, text
