"""GDC biotab, `nationwidechildrens.org_clinical_patient_brca.txt`: one row a patient below three header rows.

The header rows are the columns' names, their names in the XML, and their CDE ids. The receptors of a later metastasis
(`nte_*`) stand in the same file and are not read.

Source: https://docs.gdc.cancer.gov/Data/File_Formats/ (clinical supplement, biotab).
"""

from modalities.clinical.readers.layout import Layout

LAYOUT = Layout(
    name="biotab",
    marks=frozenset({"bcr_patient_barcode", "bcr_patient_uuid"}),
    columns={
        "age": ("age_at_diagnosis",),
        "menopause": ("menopause_status",),
        "t": ("ajcc_tumor_pathologic_pt",),
        "n": ("ajcc_nodes_pathologic_pn",),
        "m": ("ajcc_metastasis_pathologic_pm",),
        "stage": ("ajcc_pathologic_tumor_stage",),
        "nodes_examined": ("lymph_nodes_examined",),
        "nodes_positive": ("lymph_nodes_examined_he_count",),
        "histology": ("icd_o_3_histology", "histological_type"),
        "er": ("er_status_by_ihc",),
        "pr": ("pr_status_by_ihc",),
        "er_percent": ("er_status_ihc_Percent_Positive",),
        "pr_percent": ("pr_status_ihc_percent_positive",),
        "her2_ihc": ("her2_status_by_ihc",),
        "her2_ish": ("her2_fish_status",),
        "her2_ihc_score": ("her2_ihc_score",),
    },
    case_of=lambda row: row["bcr_patient_barcode"].strip(),
    header_rows=3,
    has_header=lambda rows: len(rows) >= 3 and rows[2][0].startswith("CDE_ID"),
)
