"""Columns that give the answer away are refused by name and by values; honest ones are let through."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modalities.core.files.leakage import GROUPS, columns_that_tell, refuse


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("PAM50Call_RNAseq", "molecular subtype"),
        ("Subtype", "molecular subtype"),
        ("tumourSubType", "molecular subtype"),
        ("ER_Status_nature2012", "molecular subtype"),
        ("IntClust", "molecular subtype"),
        ("claudin_subtype", "molecular subtype"),
        ("Integrated_Clusters_no_exp", "molecular subtype"),
        ("Integrative Cluster", "molecular subtype"),
        ("3-Gene classifier", "molecular subtype"),
        ("THREEGENE", "molecular subtype"),
        ("Pam50 + Claudin-low subtype", "molecular subtype"),
        ("HER2 status measured by SNP6", "copy number"),
        ("Buffa Hypoxia Score", "RNA"),
        ("winter.hypoxia", "RNA"),
        ("OncotypeDX", "RNA"),
        ("recurrence score", "RNA"),
        ("ROR-P", "RNA"),
        ("TMB (nonsynonymous)", "mutations"),
        ("MSI MANTIS Score", "mutations"),
        ("Fraction Genome Altered", "copy number"),
        ("aneuploidy_score", "copy number"),
        ("WGD", "copy number"),
        ("copy number burden", "copy number"),
        ("OS_MONTHS", "outcome"),
        ("DaysToDeath", "outcome"),
        ("Disease Free (Months)", "outcome"),
        ("vital_status", "outcome"),
        ("last_contact_days_to", "outcome"),
        ("person neoplasm cancer status", "outcome"),
        ("new_tumor_event_after_initial_treatment", "outcome"),
        ("nte_er_status", "outcome"),
        ("metastatic_breast_carcinoma_estrogen_receptor_status", "outcome"),
        ("recurrence", "outcome"),
        ("Radiation Therapy", "treatment"),
        ("neoadjuvant", "treatment"),
        ("pharmaceutical_tx_adjuvant", "treatment"),
        ("Mastectomy (y/n)", "treatment"),
        ("Chemo_regimen", "treatment"),
    ],
)
def test_name_is_refused_with_the_reason(column, reason):
    assert reason in refuse({column: None})[column]


@pytest.mark.parametrize(
    "column",
    [
        "age_at_diagnosis",
        "pr_status_by_ihc",
        "progesterone_receptor_level",
        "her2_copy_number",
        "Nottingham prognostic index",
        "ER status measured by IHC",
        "histologic_subtype",
        "days_to_birth",
        "N stage",
        "cluster.size.mean.of.lymphocyte.in.tumor",
        "DENSITY.RATIO..CANCER.CELLS..OVER..STROMA",
        "MSI1",
        "RORC",
        "OS9",
    ],
)
def test_honest_name_is_let_through(column):
    assert refuse({column: None}) == {}


@pytest.mark.parametrize(
    "values",
    [
        ["LumA", "Basal", "LumA", "", None],
        ["Luminal A", "HER2-enriched", "Normal-like"],
        ["BRCA_LumB", "BRCA_Her2"],
    ],
)
def test_column_of_subtype_names_is_the_label_whatever_it_is_called(values):
    assert "molecular subtype" in refuse({"group7": values})["group7"]


def test_column_of_the_tasks_own_class_names_is_the_label():
    values = ["CMS1", "CMS2", "CMS2", "CMS4"]
    assert refuse({"arm": values}) == {}
    assert "arm" in refuse({"arm": values}, classes=["CMS1", "CMS2", "CMS3", "CMS4"])


def test_column_of_the_living_and_the_dead_is_an_outcome():
    assert "outcome" in refuse({"v12": ["0:LIVING", "1:DECEASED", "0:LIVING"]})["v12"]


@pytest.mark.parametrize(
    "values", [["Normal", "Normal"], ["Her2", "Her2"], ["LumA", "Basal", "x", "y", "z"], [], [1.5]]
)
def test_values_that_only_touch_on_a_subtype_are_let_through(values):
    assert refuse({"finding": values}) == {}


def test_allowed_group_is_let_through_and_the_others_are_not():
    columns = dict.fromkeys(("purity", "WGD", "Subtype"))
    assert refuse(columns).keys() == {"purity", "WGD", "Subtype"}
    assert refuse(columns, allowed=["copy_number"]).keys() == {"Subtype"}


def test_unknown_group_is_refused():
    with pytest.raises(ValueError, match="no such group cnv; there are label, expression"):
        refuse({}, allowed=["cnv"])


def _columns() -> tuple[np.ndarray, np.ndarray]:
    """Ten cases of class 0, eleven of class 1, twelve of class 2; and columns that part them more or less."""
    labels = np.repeat([0, 1, 2], [10, 11, 12])
    coded = np.choose(labels, [7.0, 3.0, 5.0])
    flag = (labels == 2).astype(float)
    flag[:3] = np.nan
    measured = labels + np.linspace(0, 0.5, len(labels))
    return np.stack([coded, flag, measured, np.linspace(0, 1, len(labels)) % 0.3, np.full(len(labels), 4.0)], 1), labels


def test_column_of_few_states_that_parts_a_class_from_all_others_is_the_label():
    values, labels = _columns()
    assert columns_that_tell(values, labels, 3) == [0, 1]  # a measured quantity may part them too: it has many states


def test_one_exception_or_too_few_cases_leave_the_column_alone():
    values, labels = _columns()
    values[-1, 1] = 0.0
    assert columns_that_tell(values[:, [1]], labels, 3) == []
    values[-1, 1] = 1.0
    values[-3:, 1] = np.nan  # nine of class 2 are left
    assert columns_that_tell(values[:, [1]], labels, 3) == []


def test_where_a_class_is_away_an_honest_column_may_part_the_others():
    values, labels = _columns()
    assert columns_that_tell(values, labels, 4) == []


def test_nothing_tells_of_a_single_class_or_of_no_case():
    values, labels = _columns()
    assert columns_that_tell(values, np.zeros_like(labels), 1) == []
    assert columns_that_tell(values[:0], labels[:0], 3) == []


@given(st.dictionaries(st.text(max_size=20), st.none() | st.lists(st.text(max_size=5) | st.floats(), max_size=5)))
def test_any_columns_give_reasons_for_columns_that_were_asked_about(columns):
    refused = refuse(columns)
    assert refused.keys() <= columns.keys()
    assert refuse(columns, allowed=GROUPS) == {}
