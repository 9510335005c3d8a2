"""The tables of an OMOP CDM export: rows as text, from CSV or Parquet, of the columns that are wanted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from modalities.core.files.delimited import table_of
from modalities.core.files.header import header_of
from modalities.core.problems import unusable

PERSON, CONDITION, MEASUREMENT, OBSERVATION = "person", "condition_occurrence", "measurement", "observation"
CONCEPT = "concept"
_MARKS: Mapping[str, str] = {
    **dict.fromkeys((PERSON, CONDITION, MEASUREMENT, OBSERVATION), "person_id"),
    CONCEPT: "concept_name",
}
ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".parquet")
_BATCH_ROWS = 65_536


def table_name(path: Path) -> str:
    """Which of the CDM's tables a file holds, by its name and its header; "" if none."""
    name = path.name.lower()
    stem = next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), "")
    return stem if stem in _MARKS and _MARKS[stem] in _header(path) else ""


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


def _of_parquet(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    blank, line = dict.fromkeys(columns, ""), 2  # as if there were a header, like the CSV of the same table
    try:
        file = pyarrow.parquet.ParquetFile(path)
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
        return ["" if value is None or value != value else f"{value:.15g}" for value in values]
    as_text = pyarrow.compute.cast(column, pyarrow.string())
    return [(cell or "").strip() for cell in as_text.to_pylist()]
