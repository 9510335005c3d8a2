"""TCGA barcodes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modalities.core.files.barcodes import case_of, is_primary_tumour

LETTERS = "ABCXYZ0189"
CASE = st.builds("TCGA-{}-{}".format, *(st.text(LETTERS, min_size=size, max_size=size) for size in (2, 4)))


@pytest.mark.parametrize(
    ("sample", "case_id"),
    [
        ("TCGA-BH-A0B3", "TCGA-BH-A0B3"),
        ("TCGA-BH-A0B3-01", "TCGA-BH-A0B3"),
        ("TCGA-BH-A0B3-01A", "TCGA-BH-A0B3"),
        ("TCGA-BH-A0B3-01A-11D-A107-01", "TCGA-BH-A0B3"),
        (" TCGA-BH-A0B3-01 ", "TCGA-BH-A0B3"),
        ("TCGA-BH-A0B3-06", None),  # metastasis
        ("TCGA-BH-A0B3-10A-01D-A037-01", None),  # blood
        ("TCGA-BH-A0B3-11", None),  # normal tissue
        ("patient-07", "patient-07"),
        ("TCGA-BH", "TCGA-BH"),
        ("tcga-bh-a0b3-11", "tcga-bh-a0b3-11"),
    ],
)
def test_case_of_a_sample(sample, case_id):
    assert case_of(sample) == case_id


@given(CASE, st.integers(0, 99), st.sampled_from(["", "A", "B-11D-A107-01"]))
def test_only_sample_type_01_is_the_primary_tumour(case_id, sample_type, rest):
    expected = case_id if sample_type == 1 else None
    assert case_of(f"{case_id}-{sample_type:02d}{rest}") == expected


@pytest.mark.parametrize(
    "kind", ["", "Primary", "Primary tumor", "Primary Solid Tumor", "primary, with metastases", "Tumor"]
)
def test_a_type_that_says_nothing_else_is_a_primary_tumour(kind):
    assert is_primary_tumour(kind)


@pytest.mark.parametrize(
    "kind",
    [
        *("Metastasis", "Metastatic Site", "Lymph node metastasis", "Distant organ metastasis", " recurrence"),
        *("Recurrent Tumor", "Regional Recurrence", "Relapse", "Progression", "Blood Derived Normal", "cfDNA"),
        *("Primary Xenograft Tissue", "Cell Line"),
    ],
)
def test_the_types_of_cbioportal_and_the_gdc_that_are_no_primary_tumour_are_known_in_all_their_words(kind):
    assert not is_primary_tumour(kind)
