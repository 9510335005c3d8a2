"""cBioPortal's web export of a study's clinical data: one row a sample, columns by their long names.

It holds no receptors, but the label (`Subtype`), RNA-derived hypoxia scores, copy-number burdens, treatment and
outcome: none of them is read.

Source: https://www.cbioportal.org/study/clinicalData?id=brca_tcga_pan_can_atlas_2018
"""

from modalities.clinical.readers.layout import Layout, Row, is_primary_tumour
from modalities.core.files.barcodes import case_of

_ICD_O = "International Classification of Diseases for Oncology, Third Edition ICD-O-3 Histology Code"


def _case_of(row: Row) -> str | None:
    """The patient of a primary tumour's row; other studies than TCGA tell the kind of sample by name only."""
    is_primary = case_of(row["Sample ID"]) is not None and is_primary_tumour(row.get("Sample Type", ""))
    return row["Patient ID"].strip() if is_primary else None


LAYOUT = Layout(
    name="cbioportal",
    marks=frozenset({"Study ID", "Patient ID", "Sample ID"}),
    columns={
        "age": ("Diagnosis Age",),
        "t": ("American Joint Committee on Cancer Tumor Stage Code",),
        "n": ("Neoplasm Disease Lymph Node Stage American Joint Committee on Cancer Code",),
        "m": ("American Joint Committee on Cancer Metastasis Stage Code",),
        "stage": ("Neoplasm Disease Stage American Joint Committee on Cancer Code",),
        "grade": ("Neoplasm Histologic Grade",),
        "histology": (_ICD_O, "Tumor Type"),
    },
    case_of=_case_of,
)
