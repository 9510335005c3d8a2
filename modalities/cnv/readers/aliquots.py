"""Whose file is whose, where each aliquot has its own: a manifest, the GDC's sample sheet, or the file's name.

Source: https://docs.gdc.cancer.gov/Encyclopedia/pages/TCGA_Barcode/ (codes of the sample types);
https://docs.gdc.cancer.gov/Data_Portal/Users_Guide/ (sample sheet).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modalities.cnv.readers.header import lists_below
from modalities.core.files.barcodes import case_of
from modalities.core.files.tables.delimited import listing, refuse_any, refuse_repeated, rows_of
from modalities.core.files.tables.header import header_of
from modalities.core.problems import unusable

_BARCODE = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(?:-\d{2}[A-Z]?)?(?![A-Z0-9])")
_SHEETS = "gdc_sample_sheet*.tsv"
_TYPES = {
    "02": "recurrence",
    "05": "further primary tumour",
    "06": "metastasis",
    "07": "metastasis",
    "10": "blood of the patient, which is normal",
    "11": "normal tissue",
    "12": "normal cells of the cheek",
    "14": "normal bone marrow",
    "20": "control",
}


@dataclass(frozen=True)
class Sample:
    """Where a file comes from."""

    case_id: str
    refused: str = ""
    """Why it is no primary tumour; empty for one."""


@dataclass(frozen=True)
class Register:
    """A table beside the files that says whose they are."""

    path: Path
    rows: list[list[str]]
    """With its header."""
    file_column: int
    samples: Mapping[str, Sample]
    """By file name."""


def tumours_of(
    folder: Path, paths: Sequence[Path], columns: Mapping[str, str]
) -> tuple[dict[Path, str], dict[str, int]]:
    """The files of primary tumours by case, and notes of those that are none, by reason.

    Raises:
        ValueError: a file is nobody's, a case has several, or no file is of a primary tumour.
    """
    registers = registers_in(folder, columns)
    samples = samples_of(paths, registers)
    listed = {name for register in registers for name in register.samples}
    notes = {
        "files that a manifest or sample sheet lists and that are not there": len(listed - {p.name for p in paths})
    }
    for sample in samples.values():
        if sample.refused:
            key = f"aliquots refused, no primary tumour: {sample.refused}"
            notes[key] = notes.get(key, 0) + 1
    tumours = [(sample.case_id, path) for path, sample in samples.items() if not sample.refused]
    kept = {path: case_id for case_id, path in sorted(tumours)}
    if not kept:
        reasons = "; ".join(f"{count} {reason}" for reason, count in notes.items() if count)
        raise unusable(f"no file of a primary tumour ({reasons})", "give tumour aliquots", file=folder.name)
    refuse_repeated(folder, kept.values(), "cases", "keep one tumour aliquot a case")
    return kept, notes


def registers_in(folder: Path, columns: Mapping[str, str]) -> list[Register]:
    """The site's manifests, with the columns `file` and `case_id` or as site.yaml names them; then the GDC's sheets."""
    file_column, case_column = columns.get("file", "file"), columns.get("case_id", "case_id")
    found = []
    for path in lists_below(folder):
        if {file_column, case_column} <= set(header_of(path)):
            rows = rows_of(path)
            header = [cell.strip() for cell in rows[0]]
            case, file = header.index(case_column), header.index(file_column)
            found.append(_register(path, rows, file, [sample_of([row[case]]) for row in rows[1:]]))
    return found + [_sheet(path) for path in sorted(folder.rglob(_SHEETS))]


def samples_of(paths: Sequence[Path], registers: Sequence[Register]) -> dict[Path, Sample]:
    """The sample of each file: of the first register that lists it, else of the barcode in its name.

    Raises:
        ValueError: the files that are nobody's.
    """
    found = {}
    for path in paths:
        listed = [register.samples[path.name] for register in registers if path.name in register.samples]
        barcodes = barcodes_in(path.name)
        if listed or barcodes:
            found[path] = listed[0] if listed else sample_of(barcodes)
    unknown = [path.name for path in paths if path not in found]
    if unknown:
        raise unusable(
            f"{len(unknown)} files are nobody's: {listing(unknown)}",
            f"put the GDC's {_SHEETS} beside them, or a manifest.csv with the columns file and case_id",
        )
    return found


def barcodes_in(text: str) -> list[str]:
    """TCGA's barcodes of cases and samples in a text."""
    return _BARCODE.findall(text)


def sample_of(ids: Sequence[str], cases: Sequence[str] = (), is_primary: Sequence[bool] = ()) -> Sample:
    """The primary tumour among the samples of a file, or why there is none; TCGA's barcodes tell it themselves."""
    refused = None
    for place, name in enumerate(ids):
        barcode = _BARCODE.fullmatch(name[:16].rstrip("-"))
        case_id = name[:12] if barcode else cases[min(place, len(cases) - 1)] if cases else name.strip()
        is_tumour = case_of(name) is not None if barcode else is_primary[place] if is_primary else True
        if is_tumour:
            return Sample(case_id)
        refused = refused or Sample(case_id, _TYPES.get(name[13:15], "other tissue") if barcode else "other tissue")
    return refused or Sample("")


def _sheet(path: Path) -> Register:
    """The GDC's sample sheet; a file made from tumour and normal names both, with commas between."""
    rows = rows_of(path)
    header, body = rows[0], rows[1:]
    kinds = [name for name in ("Sample Type", "Tissue Type", "Tumor Descriptor") if name in header]
    lacking = [name for name in ("File Name", "Case ID", "Sample ID") if name not in header]
    refuse_any(path, lacking or ["Sample Type or Tissue Type"] * (not kinds), "no column {}", "load it again")
    samples = []
    for row in body:
        cells = dict(zip(header, row, strict=True))
        described = [[part.strip() for part in cells[kind].split(",")] for kind in kinds]
        ids = [part.strip() for part in cells["Sample ID"].split(",")]
        cases = [part.strip() for part in cells["Case ID"].split(",")]
        is_primary = [
            all(
                _is_primary(kind, parts[min(place, len(parts) - 1)])
                for kind, parts in zip(kinds, described, strict=True)
            )
            for place in range(len(ids))
        ]
        samples.append(sample_of(ids, cases, is_primary))
    return _register(path, rows, header.index("File Name"), samples)


def _is_primary(kind: str, value: str) -> bool:
    text = value.casefold()
    return text == "tumor" if kind == "Tissue Type" else text.startswith("primary")


def _register(path: Path, rows: list[list[str]], file_column: int, samples: Sequence[Sample]) -> Register:
    names = [row[file_column].strip() for row in rows[1:]]
    blank = [f"line {line}" for line, sample in enumerate(samples, start=2) if not sample.case_id]
    refuse_any(path, blank, "no case in {}", "fill it in or take the row out", are_places=True)
    refuse_repeated(path, names, "files", "keep one row a file")
    return Register(path, rows, file_column, dict(zip(names, samples, strict=True)))
