"""Reads clinical files of any mix of formats and merges them field by field."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from modalities.clinical.config import Config
from modalities.clinical.dictionary import BY_NAME, Record, encode, inputs_of, with_her2
from modalities.clinical.problems import Problems
from modalities.clinical.readers import biotab, cbioportal, mapped, xena
from modalities.clinical.readers.layout import Layout, Row
from modalities.clinical.values import parse
from modalities.core.contract import Cases, Source
from modalities.core.delimited import delimiter_of, listing, rows_of
from modalities.core.leakage import refuse
from modalities.core.tabular import in_agreed_order

# In order of trust: a site's own mapped table, the registry's own form, then what others made of it.
_KNOWN = (biotab.LAYOUT, xena.LAYOUT, cbioportal.LAYOUT)
_TRUST = (mapped.NAME, *(layout.name for layout in _KNOWN))
FORMATS = ("auto", *_TRUST)
_ENDINGS = (".txt", ".tsv", ".csv", ".txt.gz", ".tsv.gz", ".csv.gz")


@dataclass(frozen=True)
class _File:
    path: Path
    layout: Layout
    rows: list[list[str]]

    @property
    def header(self) -> list[str]:
        return self.rows[0]


@dataclass
class _Harmonised:
    """What one file says, in the dictionary's terms."""

    records: dict[str, Record] = field(default_factory=dict)
    skipped: int = 0
    repeated: int = 0


def read(source: Source, config: Config) -> Cases:
    """The cases of all files, each field from the most trusted file that has it.

    The order of trust is: a mapped table, biotab, Xena, cBioPortal, whatever order they are listed in. Notes count the
    rows used and left out by format, the conflicts between files, and the cases of which nothing is known.

    Raises:
        ValueError: every problem of the files at once, each naming file, place and remedy.
    """
    problems = Problems()
    if source.format not in FORMATS:
        problems.add(f"no clinical format {source.format!r}; there are {', '.join(FORMATS)}")
    files = [_File(path, *found) for path in _paths(source, problems) if (found := _open(path, source, problems))]
    problems.raise_if_any()
    _check_mapping(source, files, problems)
    files.sort(key=lambda file: _TRUST.index(file.layout.name))
    parts = [_harmonise(file, problems) for file in files]
    problems.raise_if_any()
    merged, conflicts = _merge([part.records for part in parts])
    notes = {**_row_notes(files, parts), "conflicts between files": conflicts}
    return _as_cases(merged, notes, config)


def _paths(source: Source, problems: Problems) -> list[Path]:
    """The files; of a folder, all that look like tables."""
    found = []
    for path in source.paths:
        held = (
            sorted(file for file in path.iterdir() if file.name.lower().endswith(_ENDINGS)) if path.is_dir() else [path]
        )
        if not held:
            problems.add(f"{path.name}: the folder holds no table ({', '.join(_ENDINGS)})")
        found += held
    if not source.paths:
        problems.add("no clinical file is named; list one in site.yaml")
    return found


def _open(path: Path, source: Source, problems: Problems) -> tuple[Layout, list[list[str]]] | None:
    """The file's format and rows; None where it has a problem."""
    try:
        rows = rows_of(path, _delimiter(path))
        layout = _layout(path, rows[0], source)
        if not layout.has_header(rows):
            raise ValueError(f"{path.name}: GDC's three header rows are not all there; download the file again")
        if len(rows) <= layout.header_rows:
            raise ValueError(f"{path.name}: a header and no case; export the file again")
    except ValueError as error:
        problems.add(str(error))
        return None
    return layout, rows


def _delimiter(path: Path) -> str:
    """As the file's ending says, and a semicolon where a CSV's header has more of them than commas."""
    usual = delimiter_of(path)
    if usual != "," or path.suffix == ".gz" or not path.is_file():
        return usual
    with path.open("rb") as file:
        header = file.readline()
    return ";" if header.count(b";") > header.count(b",") else ","


def _layout(path: Path, header: Sequence[str], source: Source) -> Layout:
    own = mapped.layout(source.columns)
    asked = [layout for layout in (*_KNOWN, own) if layout.name == source.format]
    for layout in asked or _KNOWN:
        if layout.marks <= set(header):
            extra = mapped.fields_of({name: column for name, column in source.columns.items() if column in header})
            return replace(layout, columns={**layout.columns, **extra})
    if asked and asked != [own]:
        lacking = listing(sorted(asked[0].marks - set(header)))
        raise ValueError(f"{path.name}: no {source.format} file, for it has no column {lacking}; correct `format`")
    if source.columns and own.marks <= set(header):
        return own
    if source.columns:
        raise ValueError(
            f"{path.name}: no column {listing(sorted(own.marks))} of case ids; name it in site.yaml as columns.case_id"
        )
    raise ValueError(
        f"{path.name}: neither GDC biotab nor Xena clinicalMatrix nor a cBioPortal export; map its columns in "
        f"site.yaml (sources.clinical.columns: field: column). It has {listing(list(header))}"
    )


def _check_mapping(source: Source, files: Sequence[_File], problems: Problems) -> None:
    """Refuse mapped columns that do not exist, and those that would leak the answer, by name or by values."""
    for problem in mapped.problems_of(source.columns, [file.header for file in files]):
        problems.add(problem)
    wanted = {column: name for name, column in source.columns.items() if name != mapped.CASE_ID}
    for file in files:
        body = file.rows[file.layout.header_rows :]
        values = {name: [row[at] for row in body] for at, name in enumerate(file.header) if name in wanted}
        for column, reason in refuse(values).items():
            problems.add(
                f"{file.path.name}: column {column!r} must not be used as {wanted[column]!r}: {reason}; "
                f"take it out of sources.clinical.columns"
            )


def _harmonise(file: _File, problems: Problems) -> _Harmonised:
    part = _Harmonised()
    contradictions: dict[str, list[int]] = {}
    for line, cells in enumerate(file.rows[file.layout.header_rows :], start=file.layout.header_rows + 1):
        row = dict(zip(file.header, cells, strict=True))
        case_id = file.layout.case_of(row)
        if case_id is None:
            part.skipped += 1
            continue
        record = _record(file, line, row, problems)
        if not case_id:
            problems.add(f"{file.path.name}, line {line}: no case id; fill it in or delete the row")
        elif part.records.setdefault(case_id, record) is not record:
            part.repeated += 1
            if part.records[case_id] != record:
                contradictions.setdefault(case_id, []).append(line)
    for case_id, lines in contradictions.items():
        problems.add(
            f"{file.path.name}: case {case_id} stands more than once and the rows differ (line "
            f"{listing([str(line) for line in lines])}); keep one row a case"
        )
    return part


def _record(file: _File, line: int, row: Row, problems: Problems) -> Record:
    record: dict[str, float | str] = {}
    for name, columns in file.layout.columns.items():
        for column in columns:
            try:
                value = parse(BY_NAME[name], row.get(column, ""))
            except ValueError as error:
                problems.add_value(file.path.name, line, column, row[column], str(error))
                break
            if value is not None:
                record[name] = value
                break
    return record


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


def _row_notes(files: Sequence[_File], parts: Sequence[_Harmonised]) -> dict[str, int]:
    """Rows used and left out, by format: a file's own name could tell of its owner."""
    notes: dict[str, int] = {}
    for file, part in zip(files, parts, strict=True):
        name = file.layout.name
        lacking = [columns for columns in file.layout.columns.values() if not set(columns) & set(file.header)]
        counts = {
            f"{name}: fields the file lacks": len(lacking),
            f"{name}: rows used": len(part.records),
            f"{name}: rows that are no primary tumour": part.skipped,
            f"{name}: rows repeated": part.repeated,
        }
        notes.update({key: notes.get(key, 0) + count for key, count in counts.items()})
    return notes


def _as_cases(merged: dict[str, Record], notes: dict[str, int], config: Config) -> Cases:
    fields = inputs_of(config.inputs, config.exclude)
    known = {
        case_id: encode(record, fields)
        for case_id, record in merged.items()
        if any(field.name in record for field in fields)
    }
    if not known:
        raise ValueError("the clinical files hold no case of which any input is known; check the files and `inputs`")
    features = tuple(name for field in fields for name in field.features)
    notes = {**notes, "cases of which nothing is known": len(merged) - len(known)}
    cases = Cases(tuple(known), np.array(list(known.values()), dtype=np.float32), features, notes)
    return in_agreed_order(cases, config.features, absent="columns imputed")
