"""Sources that are more than one table: which of a site's files belong to them, and each as one file of entries."""

from collections.abc import Sequence
from pathlib import Path

from modalities.clinical.harmonise import File
from modalities.clinical.readers import people
from modalities.clinical.readers.fhir import reading as fhir
from modalities.clinical.readers.fhir.resources import is_fhir
from modalities.clinical.readers.omop import concepts, tables
from modalities.clinical.readers.omop import reading as omop
from modalities.clinical.readers.redcap import dictionary
from modalities.clinical.readers.redcap import reading as redcap
from modalities.core.contract import Source
from modalities.core.files.tables.header import header_of
from modalities.core.problems import Problem

NAMES = (omop.NAME, fhir.NAME)
REDCAP = (redcap.NAME, redcap.CODES, redcap.LABELS)


def format_of(path: Path) -> str:
    """The kind of record that a file is part of, by its name and header; empty where it is none."""
    if is_fhir(path):
        return fhir.NAME
    if tables.tables_in([path], False) or tables.is_other_table(path):
        return omop.NAME
    header = header_of(path) if path.suffix.lower() != ".parquet" else []
    if dictionary.is_dictionary(header) or dictionary.is_export(header):
        return redcap.NAME
    return "list" if people.is_list(header) or concepts.is_map(header) else ""


def records_of(paths: Sequence[Path], source: Source, problems: list[Problem]) -> tuple[list[File], list[Path]]:
    """A file of entries for each kind of record, and the paths that belong to none."""
    if source.format not in ("auto", *NAMES, *REDCAP):
        return [], list(paths)
    projects, others = _of_redcap(paths, source, problems)
    records, rest = _of_entries(others, source, problems)
    return [*projects, *records], rest


def _of_redcap(paths: Sequence[Path], source: Source, problems: list[Problem]) -> tuple[list[File], list[Path]]:
    """With a data dictionary among them, the tables are exports of its project."""
    headers = {
        path: header_of(path, source.sheet) for path in paths if path.suffix.lower() != ".parquet" and not is_fhir(path)
    }
    dictionaries = [path for path, header in headers.items() if dictionary.is_dictionary(header)]
    if not dictionaries:
        exports = [path for path, header in headers.items() if dictionary.is_export(header)]
        remedy = "download the project's data dictionary as CSV and add it to paths: it says what the codes mean; "
        remedy += "or write format: mapped beside them, if the cells are words"
        problems += [Problem("a REDCap export without its data dictionary", remedy, file=path.name) for path in exports]
        return [], [path for path in paths if path not in exports]
    exports = [path for path in headers if path not in dictionaries]
    if len(dictionaries) > 1:
        names = ", ".join(path.name for path in dictionaries)
        problems.append(
            Problem(f"more than one data dictionary: {names}", "name one project's files", file=dictionaries[1].name)
        )
    if not exports:
        problems.append(
            Problem("a data dictionary and no export", "add the project's export to paths", file=dictionaries[0].name)
        )
    files = redcap.read(dictionaries[0], exports, source, problems)
    return files, [path for path in paths if path not in (*dictionaries, *exports)]


def _of_entries(paths: Sequence[Path], source: Source, problems: list[Problem]) -> tuple[list[File], list[Path]]:
    """OMOP's tables and FHIR's resources."""
    held = tables.tables_in(paths, source.format == omop.NAME)
    bulk = [path for path in paths if is_fhir(path)]
    if not held and not bulk:
        return [], list(paths)
    rest = [path for path in paths if path not in (*held.values(), *bulk)]
    headers = {path: header_of(path) for path in rest if path.suffix.lower() != ".parquet"}
    lists = [path for path, header in headers.items() if people.is_list(header)]
    maps = [path for path, header in headers.items() if concepts.is_map(header)]
    others = [path for path in rest if held and tables.is_other_table(path)]
    files = []
    if held:
        files.append(omop.read(held, maps, lists, source, problems))
        if files[0]:
            files[0].counts["tables without a field"] = len(others)
    if bulk:
        files.append(fhir.read(bulk, lists, source, problems))
    used = (*lists, *maps, *others)
    return [file for file in files if file], [path for path in rest if path not in used]
