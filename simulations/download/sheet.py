"""The GDC's sample sheet beside the files of a type: whose each file is, as the portal writes it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from modalities.core.files.atomic import write_atomically
from modalities.core.files.tables.delimited import rows_of
from simulations.download.entries import Entry

NAME = "gdc_sample_sheet.tsv"
_OF_SAMPLE = {
    "Sample ID": "sample_id",
    "Tissue Type": "tissue_type",
    "Tumor Descriptor": "tumor_descriptor",
    "Specimen Type": "specimen_type",
    "Preservation Method": "preservation_method",
}
_HEADER = ["File ID", "File Name", "Data Category", "Data Type", "Project ID", "Case ID", *_OF_SAMPLE]


def write_sheets(out: Path, entries: Sequence[Entry]) -> None:
    """A sheet a type, in its folder; rows of files that an earlier command fetched stay."""
    for folder in sorted({entry.folder for entry in entries}):
        path = out / folder / NAME
        rows = {row[0]: row for row in rows_of(path, "\t")[1:]} if path.is_file() else {}
        rows |= {entry.id: _row(entry) for entry in entries if entry.folder == folder}
        write_atomically(path, table([_HEADER, *(rows[entry_id] for entry_id in sorted(rows))], "\t").encode())


def table(rows: Sequence[Sequence[str]], delimiter: str) -> str:
    """The rows as delimited text."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _row(entry: Entry) -> list[str]:
    """With commas between where a file is of several samples; a file of a whole project names none."""
    samples = entry.samples if len({sample.case_id for sample in entry.samples}) == 1 else ()
    cases = ", ".join(sample.case_id for sample in samples) or entry.project
    told = [", ".join(getattr(sample, name) for sample in samples) for name in _OF_SAMPLE.values()]
    return [entry.id, entry.name, entry.category, entry.type, entry.project, cases, *told]
