"""What makes the files a data folder: the list of cases with their labels and sites, and dataset.yaml."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from modalities.core.files.atomic import write_atomically
from modalities.core.files.tables.delimited import rows_of
from modalities.core.problems import Problem, note
from simulations.download.cbioportal import KINDS, Clinical
from simulations.download.entries import Entry
from simulations.download.sheet import table

DATASET, CLINICAL = "dataset.yaml", "clinical"
_FIRST_LINE = "# written by tessera-simulate download; remove this line to keep your changes\n"
_FOLDERS = {
    "cnv": ("masked_copy_number_segment", "gene_level_copy_number"),
    "wsi_image": ("slide_image",),
    "wsi_graph": ("slide_image",),
}
_BIOTAB = "*/nationwidechildrens.org_clinical_patient_*.txt"


def write_clinical(out: Path, clinical: Sequence[Clinical]) -> None:
    """The two files of a study download."""
    for part in clinical:
        write_atomically(out / CLINICAL / KINDS[part.kind], part.text().encode())


def listed_in(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a list of cases that an earlier command wrote, by case."""
    header, *rows = rows_of(path) if path.is_file() else [[]]
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


def write_labels(path: Path, column: str, labels: Mapping[str, str], entries: Sequence[Entry]) -> int:
    """The list of cases: all that have a label or a file, with the tissue source site that their barcode tells.

    What an earlier command knew of the names of sites stays. The number of cases that have a label.
    """
    samples = [sample for entry in entries for sample in entry.samples]
    names = {row["site_code"]: row["site_name"] for row in listed_in(path).values() if row["site_name"]}
    names |= {_site_of(sample.case_id): sample.site_name for sample in samples if sample.site_name}
    cases = sorted({*labels, *(sample.case_id for sample in samples)})
    rows = [[case, _site_of(case), names.get(_site_of(case), ""), labels.get(case, "")] for case in cases]
    write_atomically(path, table([["case_id", "site_code", "site_name", column], *rows], ",").encode())
    return sum(bool(labels.get(case)) for case in cases)


def write_dataset(out: Path, labels: Path, column: str) -> list[Problem]:
    """dataset.yaml for what lies in the folder; one that somebody changed stays, and a note says what it lacks."""
    sources = {name: [folder for folder in held if (out / folder).is_dir()] for name, held in _FOLDERS.items()}
    biotab = [str(path.relative_to(out)) for path in sorted((out / "clinical_supplement").glob(_BIOTAB))]
    study = [f"{CLINICAL}/{name}" for name in KINDS.values() if (out / CLINICAL / name).is_file()]
    sources["clinical"] = biotab + study
    content: dict[str, Any] = {"sources": {name: paths for name, paths in sources.items() if paths}}
    if (out / labels).is_file():
        content["labels"] = {"path": str(labels), "label": column}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    path = out / DATASET
    if path.is_file() and not path.read_text(encoding="utf-8").startswith(_FIRST_LINE):
        return [note("is left as it is", f"it would be: {text}", file=str(path))]
    write_atomically(path, (_FIRST_LINE + text).encode())
    return []


def _site_of(case_id: str) -> str:
    """The tissue source site: the barcode's second field."""
    return case_id.split("-")[1] if case_id.count("-") > 1 else ""
