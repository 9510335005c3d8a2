"""METABRIC, in cBioPortal's web export and as a study download: its own words, and the real files."""

import numpy as np
import pandas as pd
import pytest

from modalities import clinical
from modalities.clinical.readers import metabric, study
from modalities.core.contract import Source
from modalities.core.files.leakage import refuse

FOUR = ("LumA", "LumB", "Basal", "Her2")
EXPORT = {
    **{"Study ID": "brca_metabric", "Sample Type": "Primary", "Age at Diagnosis": "75.65", "Tumor Size": "22"},
    **{"ER status measured by IHC": "Positve", "ER Status": "Negative", "PR Status": "Negative", "HER2 Status": "NA"},
    **{"Lymph nodes examined positive": "10", "Inferred Menopausal State": "Post", "Tumor Stage": "0"},
    **{"Tumor Other Histologic Subtype": "Tubular/ cribriform", "Neoplasm Histologic Grade": "3"},
    **{"HER2 status measured by SNP6": "GAIN", "Pam50 + Claudin-low subtype": "LumA", "Integrative Cluster": "4ER+"},
}
PATIENTS = ("PATIENT_ID", "ER_IHC", "INTCLUST", "HISTOLOGICAL_SUBTYPE")
SAMPLES = ("SAMPLE_ID", "PATIENT_ID", "ER_STATUS", "PR_STATUS", "HER2_STATUS", "TUMOR_SIZE", "SAMPLE_TYPE")


def read(*paths, **source):
    return clinical.read(Source(paths, **source), clinical.Config())


def value(cases, case_id, feature):
    return cases.values[cases.case_ids.index(case_id), cases.features.index(feature)]


def known(cases, case_id):
    """What is known of a case, of categories the state that it is in."""
    row = cases.values[cases.case_ids.index(case_id)]
    held = {name: float(number) for name, number in zip(cases.features, row, strict=True) if np.isfinite(number)}
    return {name: number for name, number in held.items() if number or "=" not in name}


def export(write, *changes):
    rows = [{**EXPORT, "Patient ID": f"MB-{n}", "Sample ID": f"MB-{n}", **own} for n, own in enumerate(changes)]
    return write.text("export.tsv", "\n".join("\t".join(row) for row in [list(rows[0]), *(r.values() for r in rows)]))


def study_files(write, patients, samples):
    for name, rows in ((study.PATIENTS, [PATIENTS, *patients]), (study.SAMPLES, [SAMPLES, *samples])):
        write.text(name, "\r".join(["#Name\tof it", *("\t".join(row) for row in rows)]) + "\r")  # ends in lone CRs
    return write.folder / study.PATIENTS, write.folder / study.SAMPLES


def test_another_study_with_er_by_ihc_is_not_taken_for_metabric(write):
    header = "#a\tb\tc\td\nPATIENT_ID\tSAMPLE_ID\tER_IHC\tTUMOR_SIZE\tPR_STATUS\n"
    path = write.text(study.SAMPLES, header + "P-1\tS-1\tPositive\t2.5\tNegative\n")
    assert known(read(path), "P-1") == {"er=positive": 1, "pr=negative": 1}  # 2.5 are centimetres here: no T1
    path = write.text(study.SAMPLES, header + "P-1\tS-1\tPositive\t2.5\t-\n")
    with pytest.raises(ValueError, match=r"column 'PR_STATUS': '-' is not known"):
        read(path)


def test_every_column_of_the_export_that_says_something_is_read(write):
    cases = read(export(write, {}))
    assert known(cases, "MB-0") == pytest.approx(
        {
            **{"age": 75.65, "menopause=post": 1, "t": 2, "n": 3, "stage": 0, "grade": 3, "nodes_positive": 10},
            **{"histology=other": 1, "er=positive": 1, "pr=negative": 1},
        }
    )
    assert cases.notes[metabric.NOTE] == 1


@pytest.mark.parametrize(("size", "t"), [("1", 1), ("20", 1), ("20.1", 2), ("50", 2), ("51", 3), ("182", 3)])
def test_t_follows_from_the_size_in_millimetres(write, size, t):
    assert value(read(export(write, {"Tumor Size": size})), "MB-0", "t") == t


@pytest.mark.parametrize(("nodes", "n"), [("0", 0), ("1", 1), ("3", 1), ("4", 2), ("9", 2), ("10", 3), ("45", 3)])
def test_n_follows_from_the_positive_nodes(write, nodes, n):
    cases = read(export(write, {"Lymph nodes examined positive": nodes}))
    assert (value(cases, "MB-0", "n"), value(cases, "MB-0", "nodes_positive")) == (n, float(nodes))


def test_a_size_that_is_no_number_is_refused_with_its_place(write):
    with pytest.raises(ValueError, match=r"export\.tsv, line 2, column 'Tumor Size': 'big' is not known; write 0 to 4"):
        read(export(write, {"Tumor Size": "big"}))


def test_millimetres_are_metabrics_alone(write):
    """Another study may write centimetres."""
    cases = read(export(write, {"Study ID": "other", "Patient ID": "P-1", "Sample ID": "P-1"}))
    assert np.isnan(value(cases, "P-1", "t"))
    assert metabric.NOTE not in cases.notes


def test_er_by_ihc_wins_over_the_arrays_whatever_file_is_named_first(write):
    files = study_files(
        write,
        [("MB-1", "neg", "3", "PHYL"), ("MB-2", "null", "3", "DCIS")],
        [("MB-1", "MB-1", "+", "-", "+", "70", "Primary"), ("MB-2", "MB-2", "+", "-", "-", "null", "Primary")],
    )
    for paths in (files, files[::-1]):
        cases = read(*paths)
        both = {"histology=other": 1, "pr=negative": 1}
        assert known(cases, "MB-1") == {"t": 3, "er=negative": 1, "her2=positive": 1, **both}
        assert known(cases, "MB-2") == {"er=positive": 1, "her2=negative": 1, **both}
        assert cases.notes["conflicts between files"] == 1
        assert cases.notes[metabric.NOTE] == 2


def test_a_lone_minus_is_negative_in_metabric_only(write):
    rows = [SAMPLES, ("S-1", "P-1", "-", "-", "-", "2", "Primary")]
    write.text(study.SAMPLES, "#Name\n" + "\n".join("\t".join(row) for row in rows) + "\n")
    with pytest.raises(ValueError, match=r"column 'ER_STATUS': '-' is not known; write positive, negative"):
        read(write.folder / study.SAMPLES)


@pytest.fixture(scope="module")
def folder(tcga_data):
    if not (tcga_data / "metabric").is_dir():
        pytest.skip(f"no METABRIC at {tcga_data}")
    return tcga_data / "metabric"


def test_counts_of_the_real_export_are_those_of_its_raw_columns(folder):
    cases = read(folder / "clinical")
    at = dict(zip(cases.features, np.isfinite(cases.values).sum(axis=0), strict=True))
    names = ("age", "menopause=pre", "t", "n", "stage", "grade", "histology=other", "er=positive", "pr=positive")
    # 2,509 rows less those that say NA: 11, 529, 149, 266, 721, 121, 135, 40 (no ER by IHC nor by array), 529
    assert [at[name] for name in names] == [2498, 1980, 2360, 2243, 1788, 2388, 2374, 2469, 1980]
    total = dict(zip(cases.features, np.nansum(cases.values, axis=0), strict=True))
    assert [total[name] for name in ("her2=positive", "pr=positive", "menopause=pre")] == [247, 1040, 424]
    assert total["er=positive"] == 1817 + 26  # by IHC (`Positve`), and by array where IHC was not done
    assert cases.notes[metabric.NOTE] == 2509


@pytest.mark.parametrize("form", ["clinical", "study"])
def test_each_of_the_1608_four_class_patients_has_receptors_and_age(folder, form):
    labels = pd.read_csv(folder / "labels" / "pam50.csv", dtype=str, keep_default_na=False)
    four = labels.loc[labels["pam50"].isin(FOUR), "case_id"]
    cases = read(folder / form).select(list(four))
    assert len(four) == 1608
    for name in ("age", "er=positive", "pr=positive", "her2=positive", "menopause=post"):
        assert np.isfinite(cases.values[:, cases.features.index(name)]).all(), name


def test_label_rna_outcome_and_treatment_in_the_real_export_are_refused_as_features(folder):
    table = pd.read_csv(next((folder / "clinical").iterdir()), sep="\t", dtype=str, keep_default_na=False)
    refused = refuse({name: list(table[name]) for name in table})
    assert {"Integrative Cluster", "3-Gene classifier subtype", "Pam50 + Claudin-low subtype"} <= refused.keys()
    assert {
        "HER2 status measured by SNP6",
        "Chemotherapy",
        "Patient's Vital Status",
        "Mutation Count",
    } <= refused.keys()
    assert not {"Nottingham prognostic index", "ER Status", "Tumor Size", "Age at Diagnosis"} & refused.keys()
