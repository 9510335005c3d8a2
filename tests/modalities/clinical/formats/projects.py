"""The cohort as a REDCap export, of codes or of labels, with the project's data dictionary."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

from modalities.core.contract import IndexDate, Source
from tests.modalities.clinical.formats.cohort import STAGES, Patient
from tests.modalities.clinical.formats.tables import words, write_csv

_CHOICES = {
    "er_status": ("radio", "Estrogen receptor", {"1": "Positive", "0": "Negative", "2": "Indeterminate"}),
    "pr_status": ("dropdown", "Progesterone receptor", {"1": "Positive", "0": "Negative", "2": "Indeterminate"}),
    "her2_stain": ("radio", "HER2 IHC", {"1": "Positive", "2": "Negative", "3": "Equivocal"}),
    "her2_fish": ("radio", "HER2 FISH", {"1": "Positive", "2": "Negative"}),
    "her2_score": ("radio", "HER2 score", {"1": "0", "2": "1+", "3": "2+", "4": "3+"}),
    "meno": ("radio", "Menopausal status", {"a": "Premenopausal", "b": "Postmenopausal"}),
    "pt": ("dropdown", "pT", {"11": "T1", "12": "T2", "13": "T3"}),
    "uicc": ("radio", "<b>Stage</b>", {str(number): f"Stage {name}" for number, name in STAGES.items()}),
    "hist": ("checkbox", "Histology", {"1": "Ductal", "2": "Lobular", "3": "Mucinous"}),
}
_FREE = ("pn", "m_cat", "grading", "ln_ex", "ln_pos", "er_pct", "pr_pct", "ki67")
_REDCAP = {
    **{"birth_date": "dob", "diagnosis_date": "dx_date", "menopause": "meno", "t": "pt", "n": "pn", "m": "m_cat"},
    **{"stage": "uicc", "grade": "grading", "nodes_examined": "ln_ex", "nodes_positive": "ln_pos", "histology": "hist"},
    **{"er": "er_status", "pr": "pr_status", "er_percent": "er_pct", "pr_percent": "pr_pct", "her2_ihc": "her2_stain"},
    **{"her2_ish": "her2_fish", "her2_ihc_score": "her2_score", "ki67_percent": "ki67"},
}
_BOXES = {"ductal": {"1"}, "lobular": {"2"}, "mixed": {"1", "2"}, "mucinous": {"3"}}


def _dictionary() -> list[tuple[str, ...]]:
    header = (
        "Variable / Field Name",
        "Form Name",
        "Field Type",
        "Field Label",
        "Choices, Calculations, OR Slider Labels",
    )
    rows = [header, ("record_id", "base", "text", "Record ID", "")]
    rows += [(name, "base", "text", label, "") for name, label in (("dob", "Born"), ("dx_date", "Diagnosed"))]
    for name, (kind, label, choices) in _CHOICES.items():
        rows.append((name, "pathology", kind, label, " | ".join(f"{code}, {text}" for code, text in choices.items())))
    rows += [(name, "pathology", "text", name.upper(), "") for name in _FREE]
    return [*rows, ("path_date", "pathology", "text", "Date of the report", "")]


def _cell(patient: Patient, name: str, is_label: bool) -> str:
    field = next((field for field, variable in _REDCAP.items() if variable == name), "")
    text = words(patient, field)
    if name not in _CHOICES:
        return text
    choices = _CHOICES[name][2]
    text = (
        {"pre": "Premenopausal", "post": "Postmenopausal"}.get(patient.word("menopause"), "")
        if name == "meno"
        else text
    )
    code = next((code for code, label in choices.items() if label == text), "")
    return choices.get(code, "") if is_label else code


def write_redcap(is_label: bool):
    """Two events: the dates in the first, the pathology in the second; a third one where the tumour came back."""
    boxes = [f"hist___{code}" for code in _CHOICES["hist"][2]]
    names = [name for name in _CHOICES if name != "hist"]
    header = ["record_id", "redcap_event_name", "dob", "dx_date", *names, *boxes, *_FREE, "path_date", "base_complete"]
    labelled = ["Record ID", "Event Name", "Born", "Diagnosed"]
    labelled += ["Stage" if name == "uicc" else _CHOICES[name][1] for name in names]
    labelled += [f"Histology (choice={label})" for label in _CHOICES["hist"][2].values()]
    labelled += [*(name.upper() for name in _FREE), "Date of the report", "Complete?"]

    def rows_of(patient: Patient) -> Iterator[list[str]]:
        blank = [""] * (len(header) - 5)
        yield [patient.case_id, "base_arm_1", str(patient.born or ""), str(patient.diagnosed), *blank, "2"]
        ticked = _BOXES.get(patient.word("histology"), set())
        marks = ("Checked", "Unchecked") if is_label else ("1", "0")
        cells = [_cell(patient, name, is_label) for name in names]
        cells += [marks[code not in ticked] for code in _CHOICES["hist"][2]]
        cells += [_cell(patient, name, is_label) for name in _FREE]
        yield [patient.case_id, "path_arm_1", "", "", *cells, str(patient.diagnosed + dt.timedelta(days=9)), "2"]
        if patient.later_er:
            state = {"positive": ("Positive", "1"), "negative": ("Negative", "0")}[patient.later_er][not is_label]
            later = [
                state,
                *[""] * (len(names) - 1),
                *[marks[1]] * len(boxes),
                *[""] * len(_FREE),
                str(patient.recurred),
            ]
            yield [patient.case_id, "relapse_arm_1", "", "", *later, "2"]

    def write(folder: Path, patients: Sequence[Patient]) -> Source:
        rows = [labelled if is_label else header, *(row for patient in patients for row in rows_of(patient))]
        export = write_csv(folder / "Study_DATA_2024-05-31.csv", rows)
        dictionary = write_csv(folder / "Study_DataDictionary_2024-05-31.csv", _dictionary())
        index = IndexDate(date="diagnosis", measured="path_date", take="nearest", within_days=180)
        return Source((dictionary, export), columns=_REDCAP, index=index)

    return write
