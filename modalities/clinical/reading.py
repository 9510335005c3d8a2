"""Reads clinical files of any mix of formats and merges them field by field."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from modalities.clinical.config import Config
from modalities.clinical.dictionary import Record, encode, inputs_of, with_her2
from modalities.clinical.harmonise import File, drop_patients_without_primary, harmonise, row_notes
from modalities.clinical.readers import biotab, cbioportal, gdc, mapped, metabric, study, xena
from modalities.clinical.readers.layout import Layout
from modalities.core.blocks.tabular import in_agreed_order
from modalities.core.contract import Cases, Source
from modalities.core.files.delimited import listing, n_comments, rows_of
from modalities.core.files.leakage import refuse
from modalities.core.problems import Problem, check, gathering, unusable

# In order of trust: a site's own mapped table, the registry's own forms, then what others made of them.
_KNOWN = (
    *(biotab.LAYOUT, *gdc.LAYOUTS, xena.LAYOUT),
    *(study.SAMPLE_LAYOUT, study.PATIENT_LAYOUT, cbioportal.LAYOUT),
)
_TRUST = (mapped.NAME, *dict.fromkeys(layout.name for layout in _KNOWN))
FORMATS = ("auto", *_TRUST)
_ENDINGS = (".txt", ".tsv", ".csv", ".txt.gz", ".tsv.gz", ".csv.gz", ".xlsx")
_COMMENT = "#"
_MOST_LISTED = 20


def read(source: Source, config: Config) -> Cases:
    """The cases of all files, each field from the most trusted file that has it.

    The order of trust is: a mapped table, biotab, GDC's clinical.tsv, Xena, a cBioPortal study, cBioPortal's export,
    whatever order they are listed in. Notes count the rows used and left out by format, the conflicts between files,
    and the cases of which nothing is known.

    Raises:
        ValueError: every problem of the files at once, each naming file, place and remedy.
    """
    problems: list[Problem] = []
    files = opened(source, problems)
    parts = [harmonise(file, problems) for file in files]
    more = len(problems) - _MOST_LISTED
    check([*problems[:_MOST_LISTED], *[f"and {more} more problems"] * (more > 0)])
    drop_patients_without_primary(files, parts)
    merged, conflicts = _merge([part.records for part in parts])
    notes = {**row_notes(files, parts), "conflicts between files": conflicts}
    for note in dict.fromkeys(file.layout.note for file in files if file.layout.note):
        noted = [part.records for file, part in zip(files, parts, strict=True) if file.layout.note == note]
        notes[note] = len({case_id for records in noted for case_id in records})
    return _as_cases(merged, notes, config, [file.path.name for file in files])


def opened(source: Source, problems: list[Problem]) -> list[File]:
    """The files in the order of trust; what is wrong with them is added to the problems."""
    if source.format not in FORMATS:
        problems.append(Problem(f"no clinical format {source.format!r}", f"there are {', '.join(FORMATS)}"))
    paths = _paths(source, problems)
    files = [file for path in paths if (file := _open(path, source, problems)) is not None]
    _check_mapping(source, files, problems, all_open=len(files) == len(paths))
    # patients before samples
    return sorted(_as_metabric(files), key=lambda file: (_TRUST.index(file.layout.name), bool(file.layout.patient)))


def _paths(source: Source, problems: list[Problem]) -> list[Path]:
    """The files; of a folder, all that look like tables."""
    found = []
    for path in source.paths:
        held = sorted(file for file in path.iterdir() if _is_table(file)) if path.is_dir() else [path]
        if not held:
            problems.append(Problem(f"the folder holds no table ({', '.join(_ENDINGS)})", file=path.name))
        found += held
    if not source.paths:
        problems.append(Problem("no clinical file is named", "list one in site.yaml"))
    return study.with_the_other(found)


def _is_table(file: Path) -> bool:
    """By its ending; `~$` begins the file by which Excel says that it has a workbook open."""
    return file.name.lower().endswith(_ENDINGS) and not file.name.startswith("~$")


def _open(path: Path, source: Source, problems: list[Problem]) -> File | None:
    """The file, told by its header; None where it has a problem."""
    with gathering(problems):
        rows = rows_of(path, comment=_COMMENT, sheet=source.sheet)
        above = n_comments(rows, _COMMENT)
        file = File(path, _layout(path, rows[above], above > 0, source), rows, above)
        if not file.layout.has_header(rows[above:]):
            raise unusable("GDC's three header rows are not all there", "download the file again", file=path.name)
        if not file.body:
            raise unusable("a header and no case", "export the file again", file=path.name)
        return file
    return None


def _as_metabric(files: Sequence[File]) -> list[File]:
    """The files, those of cBioPortal read as METABRIC's where one of them is."""
    ours = (study.SAMPLE_LAYOUT.name, cbioportal.LAYOUT.name)
    if not any(file.layout.name in ours and metabric.is_metabric(file) for file in files):
        return list(files)
    return [replace(file, layout=metabric.adapted(file.layout)) if file.layout.name in ours else file for file in files]


def _layout(path: Path, header: Sequence[str], is_commented: bool, source: Source) -> Layout:
    own = mapped.layout(source.columns)
    asked = [layout for layout in (*_KNOWN, own) if layout.name == source.format]
    for layout in asked or _KNOWN:
        if layout.marks <= set(header) and layout.is_commented == is_commented:
            extra = mapped.fields_of({name: column for name, column in source.columns.items() if column in header})
            return replace(layout, columns={**layout.columns, **extra})
    if asked and asked != [own]:
        lacking = sorted(min((layout.marks - set(header) for layout in asked), key=len))
        reason = f"it has no column {listing(lacking)}" if lacking else "the lines that start with # are not as there"
        raise unusable(f"no {source.format} file, for {reason}", "correct `format`", file=path.name)
    if source.columns and own.marks <= set(header):
        return own
    if source.columns:
        what = f"no column {listing(sorted(own.marks))} of case ids"
        raise unusable(what, "name it in site.yaml as columns.case_id", file=path.name)
    known = "neither GDC biotab nor GDC clinical.tsv nor Xena clinicalMatrix nor a cBioPortal study or export"
    remedy = "map its columns in site.yaml (sources.clinical.columns: field: column), or leave it out of paths"
    raise unusable(f"{known} (it has {listing(list(header))})", remedy, file=path.name)


def _check_mapping(source: Source, files: Sequence[File], problems: list[Problem], all_open: bool) -> None:
    """Refuse mapped columns that do not exist, and those that would leak the answer, by name or by values."""
    if all_open:
        problems += mapped.problems_of(source.columns, {file.path.name: file.header for file in files})
    wanted = {column: name for name, column in source.columns.items() if name != mapped.CASE_ID}
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


def _as_cases(merged: dict[str, Record], notes: dict[str, int], config: Config, files: Sequence[str]) -> Cases:
    fields = inputs_of(config.inputs, config.exclude)
    known = {
        case_id: encode(record, fields)
        for case_id, record in merged.items()
        if any(field.name in record for field in fields)
    }
    if not known:
        raise ValueError(f"{listing(files)}: no case of which any input is known; check the files and `inputs`")
    features = tuple(name for field in fields for name in field.features)
    notes = {**notes, "cases of which nothing is known": len(merged) - len(known)}
    cases = Cases(tuple(known), np.array(list(known.values()), dtype=np.float32), features, notes)
    return in_agreed_order(cases, config.features, absent="columns imputed")
