"""The other tables of GDC's clinical download, so that its folder can be named as it is.

Newer releases keep the lymph nodes in `pathology_detail.tsv`, a row a case, diagnosis and specimen. `exposure.tsv` and
`family_history.tsv` hold no field of the dictionary; they are told, and nothing is read of them.

Source: https://docs.gdc.cancer.gov/Data_Dictionary/viewer/ (pathology_detail, exposure, family_history).
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
    *(
        Layout(
            name="gdc_without_fields",
            marks=frozenset({"cases.submitter_id", mark}),
            columns={},
            case_of=lambda row: row["cases.submitter_id"].strip(),
            may_differ=True,
        )
        for mark in ("exposures.exposure_id", "family_histories.family_history_id")
    ),
)
