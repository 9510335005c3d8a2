"""Small made-up clinical files in each format."""

from pathlib import Path

import pytest

from modalities.clinical.readers import biotab, cbioportal, xena

_FIRST = {"biotab": ("bcr_patient_barcode", "bcr_patient_uuid"), "xena": ("sampleID", "_PATIENT")}
_SAMPLE = ("Study ID", "Patient ID", "Sample ID", "Sample Type")
_LAYOUTS = {layout.name: layout for layout in (biotab.LAYOUT, xena.LAYOUT, cbioportal.LAYOUT)}


class Writer:
    """Writes files below a folder; a row is {column of the id or field of the dictionary: text}."""

    def __init__(self, folder: Path):
        self.folder = folder

    def table(self, kind: str, *rows: dict[str, str], name: str = "", extra: tuple[str, ...] = ()) -> Path:
        columns = {field: names[0] for field, names in _LAYOUTS[kind].columns.items()}
        header = [*_FIRST.get(kind, _SAMPLE), *columns.values(), *extra]
        named = [{columns.get(key, key): text for key, text in row.items()} for row in rows]
        lines = ["\t".join(header)]
        if kind == "biotab":
            lines += ["\t".join(header), "\t".join(["CDE_ID:"] * len(header))]
        lines += ["\t".join(row.get(column, "") for column in header) for row in named]
        return self.text(name or f"{kind}.txt", "\n".join(lines) + "\n")

    def text(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def biotab(self, *rows: dict[str, str], **options) -> Path:
        return self.table("biotab", *({"bcr_patient_barcode": row.pop("case"), **row} for row in rows), **options)

    def xena(self, *rows: dict[str, str], **options) -> Path:
        return self.table("xena", *({"sampleID": row.pop("case"), **row} for row in rows), **options)

    def cbioportal(self, *rows: dict[str, str], **options) -> Path:
        sampled = [{"Patient ID": row["case"][:12], "Sample ID": row.pop("case"), **row} for row in rows]
        return self.table("cbioportal", *sampled, **options)


@pytest.fixture
def write(tmp_path):
    return Writer(tmp_path)
