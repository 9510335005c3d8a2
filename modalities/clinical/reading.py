"""Reads clinical files of any mix of formats and merges them field by field."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from modalities.clinical.config import Config
from modalities.clinical.dictionary import BY_NAME, Record, encode, inputs_of, with_her2
from modalities.clinical.harmonise import File, Harmonised, drop_patients_without_primary, harmonise, row_notes
from modalities.clinical.opening import files_of, n_others
from modalities.clinical.readers import mapped
from modalities.clinical.records import NAMES
from modalities.clinical.words.meanings import meanings_of
from modalities.core.blocks.tabular import in_agreed_order
from modalities.core.contract import Cases, Source
from modalities.core.files.leakage import refuse
from modalities.core.files.remarks import remark
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem, check, unusable, warning

_MOST_LISTED = 20


def read(source: Source, config: Config) -> Cases:
    """The cases of all files, each field from the most trusted file that has it.

    The order of trust is: a mapped table, biotab, GDC's tables, Xena, a cBioPortal study, cBioPortal's export, OMOP,
    FHIR, REDCap, whatever order they are listed in. Notes count the rows used and left out by format, the conflicts
    between files, and the cases of which nothing is known.

    Raises:
        ValueError: every problem of the files at once, each naming file, place and remedy.
    """
    problems: list[Problem] = []
    files = opened(source, problems)
    meanings = meanings_of(source.values, problems)
    parts = [harmonise(file, meanings, problems) for file in files]
    more = len(problems) - _MOST_LISTED
    check([*problems[:_MOST_LISTED], *[f"and {more} more problems"] * (more > 0)])
    drop_patients_without_primary(files, parts)
    merged, conflicts = _merge([part.records for part in parts])
    _remark_versions(files, parts)
    others = {"tables of a study's other data, not read": n_others(source)}
    notes = {**row_notes(files, parts), **others, "conflicts between files": conflicts}
    for note in dict.fromkeys(file.layout.note for file in files if file.layout.note):
        noted = [part.records for file, part in zip(files, parts, strict=True) if file.layout.note == note]
        notes[note] = len({case_id for records in noted for case_id in records})
    return _as_cases(merged, notes, config, [file.path.name for file in files])


def opened(source: Source, problems: list[Problem]) -> list[File]:
    """The files in the order of trust; what is wrong with them is added to the problems."""
    files, all_open = files_of(source, problems)
    _check_mapping(source, files, problems, all_open)
    return files


def _check_mapping(source: Source, files: Sequence[File], problems: list[Problem], all_open: bool) -> None:
    """Refuse mapped columns that do not exist, and those that would leak the answer, by name or by values."""
    if all_open:
        is_record = any(file.layout.name in NAMES for file in files)  # whose reader looks for the case's column
        columns = {
            name: column for name, column in source.columns.items() if not (is_record and name == mapped.CASE_ID)
        }
        problems += mapped.problems_of(columns, {file.path.name: file.header for file in files})
    wanted = {column: name for name, column in source.columns.items() if name in BY_NAME}
    for file in files:
        values = {name: [row[at] for row in file.body] for at, name in enumerate(file.header) if name in wanted}
        for column, reason in refuse(values).items():
            what = f"column {column!r} must not be used as {wanted[column]!r}: {reason}"
            problems.append(Problem(what, "take it out of sources.clinical.columns", file=file.path.name))


def _merge(parts: Sequence[dict[str, Record]]) -> tuple[dict[str, Record], int]:
    """One record a case, the first file that has a field winning; and in how many fields of cases the files differ."""
    merged: dict[str, dict[str, float | str]] = {}
    conflicts = set()
    for records in parts:
        for case_id, record in records.items():
            held = merged.setdefault(case_id, {})
            conflicts |= {(case_id, name) for name, value in record.items() if held.get(name, value) != value}
            held.update({name: value for name, value in record.items() if name not in held})
    return {case_id: with_her2(record) for case_id, record in merged.items()}, len(conflicts)


def _remark_versions(files: Sequence[File], parts: Sequence[Harmonised]) -> None:
    """Warn where two files of one format contradict each other: two downloads of one export, perhaps."""
    for (first, earlier), (later, other) in combinations(zip(files, parts, strict=True), 2):
        if (first.layout.name, first.layout.patient) != (later.layout.name, later.layout.patient):
            continue
        values = [
            (case_id, name)
            for case_id, record in other.records.items()
            for name, value in record.items()
            if earlier.records.get(case_id, {}).get(name, value) != value
        ]
        if values:
            n_cases = len({case_id for case_id, _ in values})
            what = f"{len(values)} values of {n_cases} cases are others in {first.path.name}, whose values count"
            remedy = "if they are two downloads of one export, keep the newer one only"
            remark(warning(what, remedy, file=later.path.name))


def _as_cases(merged: dict[str, Record], notes: dict[str, int], config: Config, files: Sequence[str]) -> Cases:
    fields = inputs_of(config.inputs, config.exclude)
    known = {
        case_id: encode(record, fields)
        for case_id, record in merged.items()
        if any(field.name in record for field in fields)
    }
    if not known:
        remedy = "map columns and values in site.yaml: `tessera-client map` proposes what they mean"
        raise unusable("no case of which any input is known", remedy, file=listing(files))
    features = tuple(name for field in fields for name in field.features)
    notes = {**notes, "cases of which nothing is known": len(merged) - len(known)}
    cases = Cases(tuple(known), np.array(list(known.values()), dtype=np.float32), features, notes)
    return in_agreed_order(cases, config.features, absent="columns imputed")
