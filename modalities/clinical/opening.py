"""From the paths of a site's clinical source to files whose format is known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from modalities.clinical import records
from modalities.clinical.harmonise import File
from modalities.clinical.readers import biotab, cbioportal, gdc, gdc_others, gdc_tests, mapped, metabric, study, xena
from modalities.clinical.readers.ages import with_dates
from modalities.clinical.readers.fhir.resources import ENDINGS as FHIR
from modalities.clinical.readers.layout import Layout
from modalities.core.contract import Source
from modalities.core.files.tables.delimited import listing, n_comments, rows_of, table_of
from modalities.core.problems import Problem, gathering, unusable

# In order of trust: a site's own mapped table, the registry's own forms, then what others made of them.
_KNOWN = (
    *(biotab.LAYOUT, *gdc.LAYOUTS, *gdc_others.LAYOUTS, *gdc_tests.LAYOUTS, xena.LAYOUT),
    *(study.SAMPLE_LAYOUT, study.PATIENT_LAYOUT, cbioportal.LAYOUT),
)
TRUST = (mapped.NAME, *dict.fromkeys(layout.name for layout in _KNOWN), *records.NAMES, records.REDCAP[0])
FORMATS = ("auto", *TRUST, *records.REDCAP[1:])
_AS_EVENTS: Mapping[str, Callable[[File], File]] = {gdc_tests.NAME: gdc_tests.as_events}
_XENA = ("clinicalmatrix", "clinicalmatrix.gz")  # UCSC Xena names its download so, without an ending
_ENDINGS = (".txt", ".tsv", ".csv", ".txt.gz", ".tsv.gz", ".csv.gz", ".xlsx", ".parquet", *_XENA, *FHIR)
_COMMENT = "#"


def files_of(source: Source, problems: list[Problem]) -> tuple[list[File], bool]:
    """The source's files, the most trusted first, and whether all could be opened."""
    if source.format not in FORMATS:
        problems.append(Problem(f"no clinical format {source.format!r}", f"there are {', '.join(FORMATS)}"))
    paths = paths_of(source, problems)
    before = len(problems)
    entries, others = records.records_of(paths, source, problems)
    are_open = len(problems) == before
    tables = [file for path in others if (file := _open(path, source, problems)) is not None]
    files = [*entries, *_as_metabric(tables)]
    files.sort(key=lambda file: (TRUST.index(file.layout.name), bool(file.layout.patient)))  # patients before samples
    return files, are_open and len(tables) == len(others)


def recognised(path: Path) -> str:
    """The format of a clinical file; of any other table it is for site.yaml to say what its columns are.

    Raises:
        ValueError: it is no table that can be read.
    """
    if not _is_table(path):
        return ""
    if part_of := records.format_of(path):
        return part_of
    rows = table_of(path, comment=_COMMENT)
    above = n_comments(rows, _COMMENT)
    known = (own.name for own in _KNOWN if own.marks <= set(rows[above]) and own.is_commented == (above > 0))
    return next(known, mapped.NAME)


def paths_of(source: Source, problems: list[Problem]) -> list[Path]:
    """The files; of a folder all that look like tables, and of a study's download the clinical ones."""
    found = []
    for path in source.paths:
        tables = _tables_in(path)
        others = study.others_in(tables)
        held = [table for table in tables if table not in others]
        if not held:
            problems.append(Problem(f"the folder holds no table ({', '.join(_ENDINGS)})", file=path.name))
        found += held
    if not source.paths:
        problems.append(Problem("no clinical file is named", "list one in site.yaml"))
    return study.with_the_other(found)


def n_others(source: Source) -> int:
    """How many tables of other data lie in the source's folders, which are studies' downloads."""
    return sum(len(study.others_in(_tables_in(path))) for path in source.paths)


def _tables_in(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if _is_table(file)) if path.is_dir() else [path]


def _is_table(file: Path) -> bool:
    """By its ending; `~$` begins the file by which Excel says that it has a workbook open."""
    return file.name.lower().endswith(_ENDINGS) and not file.name.startswith("~$")


def _open(path: Path, source: Source, problems: list[Problem]) -> File | None:
    """The file, told by its header; None where it has a problem."""
    with gathering(problems):
        if path.suffix.lower() == ".parquet":
            raise unusable("of Parquet, only OMOP's tables are read", "export it as CSV", file=path.name)
        rows = rows_of(path, comment=_COMMENT, sheet=source.sheet)
        above = n_comments(rows, _COMMENT)
        file = File(path, _layout(path, rows[above], above > 0, source), rows, above, source.index)
        if not file.layout.has_header(rows[above:]):
            raise unusable("GDC's three header rows are not all there", "download the file again", file=path.name)
        if not file.body:
            raise unusable("a header and no case", "export the file again", file=path.name)
        as_events = _AS_EVENTS.get(file.layout.name)
        return as_events(file) if as_events else with_dates(file, source, problems)
    return None


def _as_metabric(files: Sequence[File]) -> list[File]:
    """The files, those of cBioPortal read as METABRIC's where one of them is."""
    ours = (study.SAMPLE_LAYOUT.name, cbioportal.LAYOUT.name)
    if not any(file.layout.name in ours and metabric.is_metabric(file) for file in files):
        return list(files)
    return [replace(file, layout=metabric.adapted(file.layout)) if file.layout.name in ours else file for file in files]


def _layout(path: Path, header: Sequence[str], is_commented: bool, source: Source) -> Layout:
    columns = mapped.columns_for(header, source)
    own = mapped.layout(columns)
    asked = [layout for layout in (*_KNOWN, own) if layout.name == source.format]
    for layout in asked or _KNOWN:
        if layout.marks <= set(header) and layout.is_commented == is_commented:
            extra = mapped.fields_of({name: column for name, column in source.columns.items() if column in header})
            return replace(layout, columns={**layout.columns, **extra})
    if asked and asked != [own]:
        lacking = sorted(min((layout.marks - set(header) for layout in asked), key=len))
        reason = f"it has no column {listing(lacking)}" if lacking else "the lines that start with # are not as there"
        raise unusable(f"no {source.format} file, for {reason}", "correct `format`", file=path.name)
    if columns and own.marks <= set(header):
        return own
    if columns:
        what = f"no column {listing(sorted(own.marks))} of case ids"
        raise unusable(what, "name it in site.yaml as columns.case_id, or under case_ids beside it", file=path.name)
    known = "neither GDC biotab nor GDC clinical.tsv nor Xena clinicalMatrix nor a cBioPortal study or export"
    remedy = "map its columns in site.yaml (sources.clinical.columns: field: column), or leave it out of paths"
    raise unusable(f"{known} (it has {listing(list(header))})", remedy, file=path.name)
