"""cBioPortal's study downloads: `data_clinical_patient.txt` and, beside it, `data_clinical_sample.txt`.

Above the attribute ids stand lines that start with #: display names, descriptions, types, priorities. A study keeps an
attribute in either file (TCGA's receptors in the samples', METABRIC's `ER_IHC` in the patients'), so both are read for
the same fields. The label (`SUBTYPE`, `CLAUDIN_SUBTYPE`, `INTCLUST`), treatment and outcome are not read, nor are:

- `HER2_SNP6`: it is copy number;
- METABRIC's `ER_STATUS`, `PR_STATUS` and `HER2_STATUS`: its annotation calls them ER.Expr, PR.Expr and Her2.Expr, for
  they come from the expression arrays that also define the subtype. Elsewhere these are clinical.

Source: https://docs.cbioportal.org/file-formats/ (clinical data).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from modalities.clinical.readers.layout import Layout, Row, is_primary_tumour
from modalities.core.files.barcodes import case_of

PATIENTS, SAMPLES = "data_clinical_patient.txt", "data_clinical_sample.txt"
_METABRIC = frozenset({"ER_IHC", "HER2_SNP6", "INTCLUST"})
_BY_EXPRESSION = ("ER_STATUS", "PR_STATUS", "HER2_STATUS")
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


def with_the_other(paths: Sequence[Path]) -> list[Path]:
    """The files, and after each of a study's two the other one where it lies beside it."""
    other = {PATIENTS: SAMPLES, SAMPLES: PATIENTS}
    beside = [path.with_name(other[path.name]) for path in paths if path.name in other]
    return [*paths, *(path for path in beside if path.is_file() and path not in paths)]


def is_metabric(header: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Told by its columns, or in the samples' file, which has no column of its own, by its ids."""
    return bool(_METABRIC & set(header)) or any(row[0].startswith("MB-") for row in body)


def without_expression(layout: Layout) -> Layout:
    """The layout for METABRIC, whose plain receptor columns are left alone."""
    columns = {
        name: tuple(column for column in own if column not in _BY_EXPRESSION) for name, own in layout.columns.items()
    }
    return replace(layout, columns={name: own for name, own in columns.items() if own})
