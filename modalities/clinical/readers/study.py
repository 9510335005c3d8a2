"""cBioPortal's study downloads: `data_clinical_patient.txt` and, beside it, `data_clinical_sample.txt`.

Above the attribute ids stand lines that start with #: display names, descriptions, types, priorities. A study keeps an
attribute in either file (TCGA's receptors in the samples', METABRIC's `ER_IHC` in the patients'), so both are read for
the same fields. The label (`SUBTYPE`, `CLAUDIN_SUBTYPE`, `INTCLUST`), treatment and outcome are not read.

Source: https://docs.cbioportal.org/file-formats/ (clinical data).
"""

from collections.abc import Sequence
from pathlib import Path

from modalities.clinical.readers.layout import Layout, Row
from modalities.core.files.barcodes import case_of, is_primary_tumour

PATIENTS, SAMPLES = "data_clinical_patient.txt", "data_clinical_sample.txt"
_OF_A_STUDY = ("data_", "meta_")
_COLUMNS = {
    "age": ("AGE", "AGE_AT_DIAGNOSIS"),
    "menopause": ("MENOPAUSE_STATUS", "INFERRED_MENOPAUSAL_STATE"),
    "t": ("PATH_T_STAGE", "AJCC_TUMOR_PATHOLOGIC_PT"),
    "n": ("PATH_N_STAGE", "AJCC_NODES_PATHOLOGIC_PN"),
    "m": ("PATH_M_STAGE", "AJCC_METASTASIS_PATHOLOGIC_PM"),
    "stage": ("AJCC_PATHOLOGIC_TUMOR_STAGE", "TUMOR_STAGE"),
    "grade": ("GRADE", "TUMOR_GRADE"),
    "nodes_examined": ("LYMPH_NODE_EXAMINED_COUNT",),
    "nodes_positive": ("LYMPH_NODES_EXAMINED_HE_COUNT", "LYMPH_NODES_EXAMINED_POSITIVE"),
    "histology": ("ICD_O_3_HISTOLOGY", "HISTOLOGICAL_DIAGNOSIS", "HISTOLOGICAL_SUBTYPE"),
    "er": ("ER_STATUS_BY_IHC", "ER_IHC", "ER_STATUS"),
    "pr": ("PR_STATUS_BY_IHC", "PR_STATUS"),
    "er_percent": ("ER_STATUS_IHC_PERCENT_POSITIVE",),
    "pr_percent": ("PR_STATUS_IHC_PERCENT_POSITIVE",),
    "her2": ("HER2_STATUS",),
    "her2_ihc": ("IHC_HER2",),
    "her2_ish": ("HER2_FISH_STATUS",),
    "her2_ihc_score": ("HER2_IHC_SCORE",),
}


def _patient_of(row: Row) -> str | None:
    """The patient, where the sample is a primary tumour; one a case, whatever the study names its samples."""
    is_primary = case_of(row["SAMPLE_ID"]) is not None and is_primary_tumour(row.get("SAMPLE_TYPE", ""))
    return row["PATIENT_ID"].strip() if is_primary else None


SAMPLE_LAYOUT = Layout(
    name="cbioportal_study",
    marks=frozenset({"PATIENT_ID", "SAMPLE_ID"}),
    columns=_COLUMNS,
    case_of=_patient_of,
    is_commented=True,
    may_differ=True,  # a patient may have several primary samples
    patient="PATIENT_ID",
)
PATIENT_LAYOUT = Layout(
    name="cbioportal_study",
    marks=frozenset({"PATIENT_ID"}),
    columns=_COLUMNS,
    case_of=lambda row: row["PATIENT_ID"].strip(),
    is_commented=True,
)


def others_in(tables: Sequence[Path]) -> list[Path]:
    """Of a folder's tables, where it is a study's download: those of its other data, which are no clinical ones."""
    own = (PATIENTS, SAMPLES)
    is_study = any(table.name in own for table in tables)
    return [table for table in tables if is_study and table.name.startswith(_OF_A_STUDY) and table.name not in own]


def with_the_other(paths: Sequence[Path]) -> list[Path]:
    """The files, and after each of a study's two the other one where it lies beside it."""
    other = {PATIENTS: SAMPLES, SAMPLES: PATIENTS}
    beside = [path.with_name(other[path.name]) for path in paths if path.name in other]
    return [*paths, *(path for path in beside if path.is_file() and path not in paths)]
