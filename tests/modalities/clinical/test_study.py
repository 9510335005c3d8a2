"""cBioPortal's study downloads: lines that start with #, attribute ids, patients and their samples."""

import numpy as np
import pytest

from modalities import clinical
from modalities.clinical.readers import study
from modalities.core.contract import Source
from modalities.core.files.leakage import refuse

A, B, C = "TCGA-AA-0001", "TCGA-AA-0002", "TCGA-BB-0003"


def attributes(rows, comments=4):
    """The file of these rows, the first of them the attribute ids, below the lines that start with #."""
    width = len(rows[0])
    above = [["#Name"] * width, ["#What it is", *["the same"] * (width - 1)], ["#STRING"] * width, ["#1", "1", ""]]
    return "\n".join("\t".join(row) for row in [*above[:comments], *rows]) + "\n"


def patients(write, *rows, name=study.PATIENTS, **options):
    return write.text(name, attributes(rows, **options))


def samples(write, *rows):
    return write.text(study.SAMPLES, attributes(rows))


def read(*paths, inputs="ihc", **source):
    return clinical.read(Source(paths, **source), clinical.Config(inputs=inputs))


def value(cases, case_id, feature):
    return cases.values[cases.case_ids.index(case_id), cases.features.index(feature)]


PAN_CAN = (
    ("PATIENT_ID", "SUBTYPE", "AGE", "AJCC_PATHOLOGIC_TUMOR_STAGE", "PATH_T_STAGE", "PATH_N_STAGE", "OS_STATUS"),
    (A, "BRCA_LumA", "55", "STAGE IIB", "T2", "N0 (I-)", "0:LIVING"),
    (B, "BRCA_Basal", "48", "STAGE X", "TX", "NX", "1:DECEASED"),
)
BRCA_TCGA = (
    (
        *("PATIENT_ID", "SAMPLE_ID", "ER_STATUS_BY_IHC", "ER_STATUS_IHC_PERCENT_POSITIVE"),
        *("IHC_HER2", "HER2_IHC_SCORE", "SAMPLE_TYPE"),
    ),
    (A, f"{A}-01", "Positive", "90-99%", "Equivocal", "2", "Primary"),
    (B, f"{B}-01", "Negative", "[Not Available]", "[Not Available]", "[Not Available]", "Primary"),
)


def test_patient_file_is_read_below_its_comments(write):
    cases = read(patients(write, *PAN_CAN))
    assert cases.case_ids == (A, B)
    assert [value(cases, A, name) for name in ("age", "stage", "t", "n")] == [55, 2, 2, 0]
    assert np.isnan(value(cases, B, "t"))
    assert cases.notes["cbioportal_study: rows used"] == 2


def test_the_samples_beside_it_are_read_too_with_their_receptors(write):
    path = patients(write, *PAN_CAN)
    samples(write, *BRCA_TCGA)
    for cases in (read(path), read(write.folder)):
        assert value(cases, A, "age") == 55
        assert value(cases, A, "er=positive") == 1
        assert value(cases, A, "er_percent") == 94.5
        assert value(cases, A, "her2=equivocal") == 1
        assert value(cases, B, "er=negative") == 1
        assert cases.notes["cbioportal_study: rows used"] == 4
        assert cases.notes["conflicts between files"] == 0


def test_a_whole_download_is_named_as_a_folder_and_its_other_tables_are_counted(write):
    patients(write, *PAN_CAN)
    samples(write, *BRCA_TCGA)
    write.text("data_log2_cna.txt", f"Hugo_Symbol\t{A}-01\nMYC\t0.4\n")
    write.text(
        "data_clinical_supp_hypoxia.txt", attributes([("PATIENT_ID", "RAGNUM_HYPOXIA_SCORE", "X"), (A, "4", "")])
    )
    write.text("meta_study.txt", "type_of_cancer: brca\n")
    cases = read(write.folder)
    assert cases.case_ids == (A, B)
    assert cases.notes["tables of a study's other data, not read"] == 3
    write.text("own.txt", "MRN\tage\n1\t50\n")
    with pytest.raises(ValueError, match=r"own\.txt: neither"):
        read(write.folder)


def test_samples_of_a_metastasis_do_not_count_and_are_counted(write):
    path = patients(write, *PAN_CAN)
    rows = [*BRCA_TCGA, (A, f"{A}-06", "Negative", "<10%", "", "", "Metastasis")]
    samples(write, *rows, ("P-9", "P-9-S1", "Positive", "", "", "", "Local Recurrence"))
    cases = read(path)
    assert value(cases, A, "er=positive") == 1
    assert cases.notes["cbioportal_study: rows that are no primary tumour"] == 2


def test_patient_without_a_primary_sample_is_left_out_of_both_files_and_counted(write):
    path = patients(write, *PAN_CAN)
    samples(write, BRCA_TCGA[0], BRCA_TCGA[1], (B, f"{B}-06", "Negative", "", "", "", "Metastasis"))
    cases = read(path)
    assert cases.case_ids == (A,)
    assert cases.notes["cbioportal_study: rows that are no primary tumour"] == 2


def test_two_primary_samples_of_a_patient_are_one_case_and_what_they_differ_in_is_left_out(write):
    rows = [
        ("PATIENT_ID", "SAMPLE_ID", "ER_STATUS", "GRADE", "SAMPLE_TYPE"),
        ("P-1", "P-1-S1", "Positive", "2", "Primary"),
        ("P-1", "P-1-S2", "Negative", "2", "Primary"),
    ]
    cases = read(samples(write, *rows))
    assert np.isnan([value(cases, "P-1", f"er={state}") for state in ("positive", "negative")]).all()
    assert value(cases, "P-1", "grade") == 2
    assert cases.notes["cbioportal_study: values in which a case's rows differ"] == 1


def test_plain_receptor_names_of_other_studies_are_read(write):
    rows = [("PATIENT_ID", "SAMPLE_ID", "ER_STATUS", "PR_STATUS", "HER2_STATUS"), ("P-1", "S-1", "Pos", "Neg", "Neg")]
    cases = read(samples(write, *rows))
    assert [value(cases, "P-1", name) for name in ("er=positive", "pr=negative", "her2=negative")] == [1, 1, 1]


def test_study_is_trusted_before_the_web_export(write):
    export = write.cbioportal({"case": f"{A}-01", "age": "70", "m": "M0"})
    cases = read(export, patients(write, *PAN_CAN))
    assert (value(cases, A, "age"), value(cases, A, "m")) == (55, 0)
    assert cases.notes["conflicts between files"] == 1


def test_line_of_a_problem_counts_the_comments(write):
    path = patients(write, PAN_CAN[0], PAN_CAN[1], (B, "", "old", "", "", "", ""))
    with pytest.raises(ValueError, match=rf"{study.PATIENTS}, line 7, column 'AGE': 'old' is not known"):
        read(path)


def test_truncated_row_below_the_comments_is_refused_with_its_line(write):
    path = patients(write, *PAN_CAN)
    path.write_text(path.read_text().rsplit("\t", 2)[0])
    with pytest.raises(ValueError, match="the header has 7 fields, but line 7 has 5; the file is cut off"):
        read(path)


def test_table_with_such_a_column_but_no_comments_is_no_study(write):
    path = patients(write, *PAN_CAN, comments=0, name="own.tsv")
    with pytest.raises(ValueError, match=r"own\.tsv: neither .* map its columns"):
        read(path)
    with pytest.raises(ValueError, match="no cbioportal_study file, for the lines that start with # are not as there"):
        read(path, format="cbioportal_study")
    assert read(path, columns={"case_id": "PATIENT_ID", "age": "AGE"}).notes["mapped: rows used"] == 2


def test_comments_alone_are_refused(write):
    with pytest.raises(ValueError, match=f"{study.PATIENTS}: no header in the file"):
        read(write.text(study.PATIENTS, "#Patient\tAge\n#STRING\tNUMBER\n"))


def test_no_column_that_is_read_is_refused_by_the_leakage_guard():
    used = [name for names in study.PATIENT_LAYOUT.columns.values() for name in names]
    assert refuse(dict.fromkeys(used)) == {}
    assert set(refuse(dict.fromkeys(("SUBTYPE", "CLAUDIN_SUBTYPE", "INTCLUST", "OS_STATUS", "CHEMOTHERAPY")))) == {
        "SUBTYPE", "CLAUDIN_SUBTYPE", "INTCLUST", "OS_STATUS", "CHEMOTHERAPY",
    }  # fmt: skip
