"""cBioPortal's web export of a study's clinical data: one row a sample, columns by their long names.

TCGA's holds no receptors. The label (`Subtype`, `Integrative Cluster`), RNA-derived hypoxia scores, copy-number
burdens, treatment and outcome are not read.

Source: https://www.cbioportal.org/study/clinicalData?id=brca_tcga_pan_can_atlas_2018
"""

from modalities.clinical.readers.layout import Layout, Row
from modalities.core.files.barcodes import case_of, is_primary_tumour

_ICD_O = "International Classification of Diseases for Oncology, Third Edition ICD-O-3 Histology Code"


def _case_of(row: Row) -> str | None:
    """The patient of a primary tumour's row; other studies than TCGA tell the kind of sample by name only."""
    is_primary = case_of(row["Sample ID"]) is not None and is_primary_tumour(row.get("Sample Type", ""))
    return row["Patient ID"].strip() if is_primary else None


LAYOUT = Layout(
    name="cbioportal",
    marks=frozenset({"Study ID", "Patient ID", "Sample ID"}),
    columns={
        "age": ("Diagnosis Age", "Age at Diagnosis"),
        "menopause": ("Inferred Menopausal State",),
        "t": ("American Joint Committee on Cancer Tumor Stage Code",),
        "n": ("Neoplasm Disease Lymph Node Stage American Joint Committee on Cancer Code",),
        "m": ("American Joint Committee on Cancer Metastasis Stage Code",),
        "stage": ("Neoplasm Disease Stage American Joint Committee on Cancer Code", "Tumor Stage"),
        "grade": ("Neoplasm Histologic Grade",),
        "nodes_positive": ("Lymph nodes examined positive",),
        "histology": (_ICD_O, "Tumor Type", "Tumor Other Histologic Subtype"),
        "er": ("ER status measured by IHC", "ER Status"),
        "pr": ("PR Status",),
        "her2": ("HER2 Status",),
    },
    case_of=_case_of,
)
