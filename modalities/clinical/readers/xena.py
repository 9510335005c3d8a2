"""UCSC Xena `clinicalMatrix`: one row a sample, so normal tissue and metastases stand beside the primary tumour.

Its `*_nature2012`, `PAM50*` and `_PANCAN*` columns hold the label or clusters of molecular data and are not read.

Source: https://xenabrowser.net/datapages/?dataset=TCGA.BRCA.sampleMap/BRCA_clinicalMatrix
"""

from modalities.clinical.readers.layout import Layout, Row
from modalities.core.files.barcodes import case_of


def _case_of(row: Row) -> str | None:
    return case_of(row["sampleID"])


LAYOUT = Layout(
    name="xena",
    marks=frozenset({"sampleID", "_PATIENT"}),
    columns={
        "age": ("age_at_initial_pathologic_diagnosis",),
        "menopause": ("menopause_status",),
        "t": ("pathologic_T",),
        "n": ("pathologic_N",),
        "m": ("pathologic_M",),
        "stage": ("pathologic_stage",),
        "nodes_examined": ("lymph_node_examined_count",),
        "nodes_positive": ("number_of_lymphnodes_positive_by_he",),
        "histology": ("icd_o_3_histology", "histological_type"),
        "er": ("breast_carcinoma_estrogen_receptor_status",),
        "pr": ("breast_carcinoma_progesterone_receptor_status",),
        "er_percent": ("er_level_cell_percentage_category",),
        "pr_percent": ("progesterone_receptor_level_cell_percent_category",),
        "her2_ihc": ("lab_proc_her2_neu_immunohistochemistry_receptor_status",),
        "her2_ish": ("lab_procedure_her2_neu_in_situ_hybrid_outcome_type",),
        "her2_ihc_score": ("her2_immunohistochemistry_level_result",),
    },
    case_of=_case_of,
)
