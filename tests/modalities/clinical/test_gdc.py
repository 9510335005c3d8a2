"""GDC's clinical.tsv in its three spellings: a row a case, diagnosis and treatment, and one record a case."""

import numpy as np
import pytest

from modalities import clinical
from modalities.clinical.readers import gdc
from modalities.core.contract import Source
from modalities.core.files.leakage import refuse

A, B, C = "TCGA-AA-0001", "TCGA-AA-0002", "TCGA-BB-0003"
MISSING = "'--"
DOTTED = (
    *("project.project_id", "cases.case_id", "cases.submitter_id", "demographic.age_at_index"),
    *("demographic.vital_status", "diagnoses.diagnosis_id", "diagnoses.age_at_diagnosis"),
    *("diagnoses.ajcc_pathologic_t", "diagnoses.ajcc_pathologic_n", "diagnoses.ajcc_pathologic_stage"),
    *("diagnoses.classification_of_tumor", "diagnoses.diagnosis_is_primary_disease", "diagnoses.morphology"),
    *("treatments.treatment_id", "treatments.treatment_type"),
)


def text_of(*rows, columns=DOTTED):
    lines = ["\t".join(columns)]
    for row in rows:
        own = {"cases.case_id": "3f1c-uuid", "diagnoses.diagnosis_id": "d-1", **row}
        lines.append("\t".join(own.get(column, MISSING) for column in columns))
    return "\n".join(lines) + "\n"


def row(case, t="T2", treatment="Radiation Therapy, NOS", **more):
    """A row of a primary diagnosis; keywords are columns of the diagnosis."""
    own = {"cases.submitter_id": case, "diagnoses.ajcc_pathologic_t": t, "treatments.treatment_type": treatment}
    more = {"classification_of_tumor": "primary", **more}
    return own | {f"diagnoses.{name}": text for name, text in more.items()}


def read(path, **source):
    return clinical.read(Source((path,), **source), clinical.Config())


def value(cases, case_id, feature):
    return cases.values[cases.case_ids.index(case_id), cases.features.index(feature)]


def test_rows_that_differ_in_treatment_only_are_one_record(write):
    path = write.text("clinical.tsv", text_of(row(A), row(A, treatment="Chemotherapy"), row(B, t="T1c")))
    cases = read(path)
    assert cases.case_ids == (A, B)  # the barcodes, not GDC's own numbers
    assert [value(cases, case_id, "t") for case_id in (A, B)] == [2, 1]
    assert cases.notes["gdc: rows used"] == 2
    assert cases.notes["gdc: rows repeated"] == 1


def test_apostrophe_and_dashes_are_missing(write):
    cases = read(write.text("clinical.tsv", text_of(row(A, ajcc_pathologic_n=MISSING))))
    assert np.isnan(value(cases, A, "n"))
    assert np.isnan(value(cases, A, "age"))


@pytest.mark.parametrize(
    "flags",
    [
        {"classification_of_tumor": "metastasis"},
        {"classification_of_tumor": "Recurrence"},
        {"classification_of_tumor": "Prior primary"},
        {"diagnosis_is_primary_disease": "false"},
        {"classification_of_tumor": "not reported"},  # unclassified, beside one that is
    ],
)
def test_of_several_diagnoses_the_primary_one_counts_wherever_it_stands(write, flags):
    other = row(A, t="T4", **flags)
    for rows in ([other, row(A)], [row(A), other]):
        cases = read(write.text("clinical.tsv", text_of(*rows)))
        assert value(cases, A, "t") == 2
        assert cases.notes["gdc: rows that are no primary tumour"] == 1


def test_primary_disease_decides_over_the_class(write):
    rows = [
        row(A, t="T3", diagnosis_is_primary_disease="true", classification_of_tumor="other"),
        row(A, t="T1", diagnosis_is_primary_disease="false"),
    ]
    assert value(read(write.text("clinical.tsv", text_of(*rows))), A, "t") == 3


def test_case_without_a_class_keeps_its_diagnosis(write):
    cases = read(write.text("clinical.tsv", text_of(row(A, classification_of_tumor="not reported"))))
    assert value(cases, A, "t") == 2
    assert cases.notes["gdc: rows that are no primary tumour"] == 0


def test_case_of_metastases_only_is_left_out_and_counted(write):
    rows = [row(A), row(B, classification_of_tumor="metastasis"), row(B, classification_of_tumor="metastasis")]
    cases = read(write.text("clinical.tsv", text_of(*rows)))
    assert cases.case_ids == (A,)
    assert cases.notes["gdc: rows that are no primary tumour"] == 2


def test_value_that_a_cases_primary_rows_contradict_is_left_out_and_counted(write):
    rows = [row(A, t="T1", ajcc_pathologic_n="N1"), row(A, t="T3", ajcc_pathologic_n="N1a", morphology="8520/3")]
    cases = read(write.text("clinical.tsv", text_of(*rows)))
    assert np.isnan(value(cases, A, "t"))
    assert value(cases, A, "n") == 1  # N1 and N1a agree once harmonised
    assert value(cases, A, "histology=lobular") == 1  # said once, contradicted nowhere
    assert cases.notes["gdc: values in which a case's rows differ"] == 1


@pytest.mark.parametrize(("days", "years"), [("18263", 50), ("18262", 49), ("32872", 89)])
def test_age_in_days_becomes_whole_years(write, days, years):
    assert value(read(write.text("clinical.tsv", text_of(row(A, age_at_diagnosis=days)))), A, "age") == years


def test_age_in_years_is_taken_before_the_one_in_days(write):
    own = {**row(A, age_at_diagnosis="18263"), "demographic.age_at_index": "51"}
    assert value(read(write.text("clinical.tsv", text_of(own))), A, "age") == 51


def test_age_that_is_no_number_of_days_is_refused_with_what_was_written(write):
    with pytest.raises(ValueError, match=r"line 2, column 'diagnoses.age_at_diagnosis': '5000000' is not known"):
        read(write.text("clinical.tsv", text_of(row(A, age_at_diagnosis="5000000"))))


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("case_submitter_id", f"case_id\tcase_submitter_id\tproject_id\tage_at_index\tajcc_pathologic_t\tmorphology\n"
         f"u-1\t{A}\tTCGA-BRCA\t61\tT2\t8500/3\n"),
        ("submitter_id", f"case_id\tsubmitter_id\tproject_id\tage_at_diagnosis\ttumor_stage\tprimary_diagnosis\n"
         f'u-1\t{A}\tTCGA-BRCA\t22281\tstage iia\t"Infiltrating duct carcinoma, NOS"\n'),
    ],
)  # fmt: skip
def test_older_spellings_are_read(write, case, text):
    cases = read(write.text("clinical.tsv", text), format="gdc")
    assert cases.case_ids == (A,)
    assert value(cases, A, "age") == 61
    assert value(cases, A, "histology=ductal") == 1


def test_gdc_is_trusted_after_the_biotab_and_before_xena(write):
    path = write.text("clinical.tsv", text_of({**row(A), "demographic.age_at_index": "50"}))
    biotab, xena = write.biotab({"case": A, "t": "T1"}), write.xena({"case": f"{A}-01", "t": "T3", "age": "52"})
    cases = clinical.read(Source((xena, path, biotab)), clinical.Config())
    assert value(cases, A, "t") == 1
    assert value(cases, A, "age") == 50


def test_unknown_value_is_named_with_its_line(write):
    with pytest.raises(ValueError, match=r"clinical.tsv, line 3, column 'diagnoses.ajcc_pathologic_t': 'T9'"):
        read(write.text("clinical.tsv", text_of(row(A), row(B, t="T9"))))


def test_row_without_a_case_is_refused_with_its_line(write):
    with pytest.raises(ValueError, match=r"clinical.tsv, line 3: no case id; fill it in"):
        read(write.text("clinical.tsv", text_of(row(A), row(""))))


def test_no_column_that_is_read_is_refused_by_the_leakage_guard():
    used = [name for layout in gdc.LAYOUTS for names in layout.columns.values() for name in names]
    assert refuse(dict.fromkeys(used)) == {}
