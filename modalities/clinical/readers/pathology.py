"""GDC's `pathology_detail.tsv`, where newer releases keep the lymph nodes; a row a case, diagnosis and specimen.

Source: https://docs.gdc.cancer.gov/Data_Dictionary/viewer/ (pathology_detail).
"""

from modalities.clinical.readers.layout import Layout

_OWN = "pathology_details."
LAYOUTS = (
    Layout(
        name="gdc_pathology",
        marks=frozenset({"cases.submitter_id", f"{_OWN}pathology_detail_id"}),
        columns={
            "nodes_examined": (f"{_OWN}lymph_nodes_tested",),
            "nodes_positive": (f"{_OWN}lymph_nodes_positive",),
        },
        case_of=lambda row: row["cases.submitter_id"].strip(),
        may_differ=True,
    ),
)
