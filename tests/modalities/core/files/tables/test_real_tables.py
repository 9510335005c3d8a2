"""Real tables are read as they stand: the delimiter that their ending names, no cell changed, nothing remarked."""

import csv
import gzip

from modalities.core.files.remarks import remarked
from modalities.core.files.tables.delimited import delimiter_of, rows_of
from modalities.core.files.tables.header import header_of

_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz")


def test_real_tables_are_read_cell_for_cell(tcga_data):
    paths = sorted(path for path in tcga_data.rglob("*") if path.name.lower().endswith(_ENDINGS))
    assert len(paths) > 9
    for path in paths:
        with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
            rows = list(csv.reader(file, delimiter=delimiter_of(path)))
        with remarked() as heard:
            assert rows_of(path, comment="#") == rows, path.name
        assert heard == []
        if len(",".join(rows[0])) < 4000:
            assert header_of(path) == [cell.strip(' "') for cell in rows[0]]
