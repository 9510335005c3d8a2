"""GDC's `clinical.tsv`, from the Data Portal's clinical download: a row a case, diagnosis and treatment.

A case stands in many rows, most of which differ in treatment columns only. Its primary diagnosis counts: the one with
`diagnosis_is_primary_disease` or the class `primary`, else those without a class; metastases, recurrences and other
primaries are left out. `case_id` is GDC's own number: the case is `submitter_id`.

The columns have had three spellings: `submitter_id` (2018), `case_submitter_id` (to 2024), and `cases.submitter_id`
with the table's name before each column. The receptors are in none of them: GDC keeps molecular tests in
`follow_up.tsv`, which `gdc_tests` reads.

Source: https://docs.gdc.cancer.gov/Data_Dictionary/viewer/ (demographic, diagnosis).
"""

import re
from collections.abc import Mapping

from modalities.clinical.readers.layout import Layout, Row

_DAYS_A_YEAR = 365.25
_OTHER_TUMOURS = frozenset(
    {"metastasis", "recurrence", "progression", "residual disease"}
    | {"prior primary", "subsequent primary", "synchronous primary", "other"}
)
_SPELLINGS = (  # column of the case, another that tells the spelling, before demographic columns, before diagnoses'
    ("cases.submitter_id", "diagnoses.diagnosis_id", "demographic.", "diagnoses."),
    ("case_submitter_id", "project_id", "", ""),
    ("submitter_id", "project_id", "", ""),
)
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "t": ("ajcc_pathologic_t",),
    "n": ("ajcc_pathologic_n",),
    "m": ("ajcc_pathologic_m",),
    "stage": ("ajcc_pathologic_stage", "tumor_stage"),
    "grade": ("tumor_grade",),
    "nodes_examined": ("lymph_nodes_tested",),
    "nodes_positive": ("lymph_nodes_positive",),
    "histology": ("morphology", "primary_diagnosis"),
}


def _layout(case: str, mark: str, demographic: str, diagnosis: str) -> Layout:
    in_days = f"{diagnosis}age_at_diagnosis"
    columns = {name: tuple(diagnosis + column for column in own) for name, own in _FIELDS.items()}

    def case_of(row: Row) -> str | None:
        return None if _is_other_tumour(row, diagnosis) else row[case].strip()

    def rank(row: Row) -> int:
        return 0 if _is_primary(row, diagnosis) else 1

    return Layout(
        name="gdc",
        marks=frozenset({case, mark}),
        columns={"age": (f"{demographic}age_at_index", in_days), **columns},
        case_of=case_of,
        convert={("age", in_days): _years},
        rank=rank,
        may_differ=True,
    )


def _is_primary(row: Row, diagnosis: str) -> bool:
    """Said to be the primary diagnosis, by either column."""
    return _said(row, f"{diagnosis}diagnosis_is_primary_disease") == "true" or (
        _said(row, f"{diagnosis}classification_of_tumor") == "primary"
    )


def _is_other_tumour(row: Row, diagnosis: str) -> bool:
    """Said to be another tumour; `primary disease` is about the case's cancer, so it wins over the class."""
    is_primary = _said(row, f"{diagnosis}diagnosis_is_primary_disease")
    return is_primary == "false" or (
        is_primary != "true" and _said(row, f"{diagnosis}classification_of_tumor") in _OTHER_TUMOURS
    )


def _said(row: Row, column: str) -> str:
    return row.get(column, "").strip().casefold()


def _years(text: str) -> str:
    """Whole years of an age in days; what is no number of days stays as it is, to be judged with its unit."""
    days = text.strip()
    return str(int(int(days) / _DAYS_A_YEAR)) if re.fullmatch(r"[0-9]{1,9}", days) else text


LAYOUTS = tuple(_layout(*spelling) for spelling in _SPELLINGS)
