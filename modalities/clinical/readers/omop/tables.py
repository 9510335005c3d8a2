"""The tables of an OMOP CDM export: rows as text, from CSV or Parquet, of the columns that are wanted."""

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from modalities.core.files.tables.delimited import table_of
from modalities.core.files.tables.header import head_of, header_of
from modalities.core.problems import unusable

PERSON, CONDITION, MEASUREMENT, OBSERVATION = "person", "condition_occurrence", "measurement", "observation"
CONCEPT = "concept"
_MARKS: Mapping[str, str] = {
    **dict.fromkeys((PERSON, CONDITION, MEASUREMENT, OBSERVATION), "person_id"),
    CONCEPT: "concept_name",
}
ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".parquet")
# Source: https://ohdsi.github.io/CommonDataModel/cdm54.html
_OTHERS = frozenset(
    {
        "care_site",
        "cdm_source",
        "cohort",
        "cohort_definition",
        "concept_ancestor",
        "concept_class",
        "concept_cpt4",
        "concept_relationship",
    }
    | {"concept_synonym", "condition_era", "cost", "death", "device_exposure", "domain", "dose_era", "drug_era"}
    | {
        "drug_exposure",
        "drug_strength",
        "episode",
        "episode_event",
        "fact_relationship",
        "location",
        "metadata",
        "note",
    }
    | {"note_nlp", "observation_period", "payer_plan_period", "procedure_occurrence", "provider", "relationship"}
    | {"source_to_concept_map", "specimen", "visit_detail", "visit_occurrence", "vocabulary"}
)
_BATCH_ROWS = 65_536
_CUT_OFF = "the file is cut off or damaged: download it again"


def tables_in(paths: Sequence[Path], is_asked: bool) -> dict[str, Path]:
    """The CDM's tables among the files, by their names, where at least one has its header or `is_asked` for."""
    held = {name: path for path in paths if (name := _stem(path)) in _MARKS}
    is_omop = is_asked or any(_MARKS[name] in _header(path) for name, path in held.items())
    return held if is_omop else {}


def is_other_table(path: Path) -> bool:
    """Whether the file is another table of the CDM, which holds no field of the dictionary."""
    return _stem(path) in _OTHERS


def _stem(path: Path) -> str:
    name = path.name.lower()
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), "")


@dataclass(frozen=True)
class Table:
    """One table of the export."""

    path: Path

    def rows(self, needed: Sequence[str], wanted: Sequence[str] = ()) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Line and row of the columns, blank where one that is merely wanted is absent.

        Raises:
            ValueError: a column that is needed is absent, or the file cannot be read.
        """
        absent = sorted(set(needed) - set(_header(self.path)))
        if absent:
            what = f"no column {', '.join(absent)}, which OMOP's table has"
            raise unusable(what, "export the table with all its columns", file=self.path.name)
        columns = (*needed, *wanted)
        if self.path.suffix.lower() == ".parquet":
            yield from _of_parquet(self.path, columns)
        elif _stem(self.path) == CONCEPT and _is_athenas(next(iter(head_of(self.path)), "")):
            yield from _of_athena(self.path, columns)
        else:
            yield from _of_text(self.path, columns)


def _header(path: Path) -> list[str]:
    if path.suffix.lower() != ".parquet":
        return [name.lower() for name in header_of(path)]
    try:
        return [name.lower() for name in pyarrow.parquet.read_schema(path).names]
    except (OSError, ValueError):
        return []


def _of_text(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    rows = table_of(path)
    header = [name.strip().lower() for name in rows[0]]
    places = {name: header.index(name) for name in columns if name in header}
    blank = dict.fromkeys(columns, "")
    for number in range(1, len(rows)):
        row = rows[number]
        yield number + 1, {**blank, **{name: row[at].strip() for name, at in places.items()}}


def _is_athenas(header: str) -> bool:
    return "\t" in header and '"' not in header


def _of_athena(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Of a vocabulary as Athena gives it: between tabs, a quote is a sign like any other. Millions of lines: streamed.

    Source: the load scripts of https://github.com/OHDSI/CommonDataModel (no sign quotes).
    """
    blank = dict.fromkeys(columns, "")
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig") as file:
            header = [name.strip().lower() for name in next(file).split("\t")]
            places = {name: header.index(name) for name in columns if name in header}
            for number, line in enumerate(file, start=2):
                cells = line.rstrip("\n").split("\t")
                if len(cells) != len(header):
                    what = f"the header has {len(header)} fields, but line {number} has {len(cells)}"
                    raise unusable(what, _CUT_OFF, file=path.name, where=f"line {number}")
                yield number, {**blank, **{name: cells[at].strip() for name, at in places.items()}}
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise unusable("no readable table of UTF-8 text", _CUT_OFF, file=path.name) from error


def _of_parquet(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    blank, line = dict.fromkeys(columns, ""), 2  # as if there were a header, like the CSV of the same table
    try:
        file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
        held = [name for name in file.schema_arrow.names if name.lower() in columns]
        for batch in file.iter_batches(_BATCH_ROWS, columns=held):
            texts = [_texts(column) for column in batch.columns]
            for cells in zip(*texts, strict=True):
                yield line, {**blank, **{name.lower(): cell for name, cell in zip(held, cells, strict=True)}}
                line += 1
    except (OSError, ValueError) as error:
        raise unusable("no readable Parquet file", "export it again", file=path.name) from error


def _texts(column: pyarrow.Array) -> list[str]:
    """Cells as the CSV would hold them: whole numbers without a point, dates as 2024-05-31, blank where null."""
    if pyarrow.types.is_floating(column.type):
        values = column.to_pylist()
        return ["" if value is None or value != value else _written(value) for value in values]
    as_text = pyarrow.compute.cast(column, pyarrow.string())
    return [(cell or "").strip() for cell in as_text.to_pylist()]


def _written(value: float) -> str:
    """All digits of a whole number: an id that a null beside it made a float."""
    return str(int(value)) if value.is_integer() else f"{value:.15g}"
