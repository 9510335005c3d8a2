"""Wrong data that hospitals have handed in: each is told in words that say what looks wrong and what it would mean."""

import re

import numpy as np
import pandas as pd
import pytest

from tests.client.check.cohort import N_CASES, arm_levels, change_table, check, sound_site, write_segments


@pytest.mark.parametrize("values", ["calls", "log2", "arms"])
@pytest.mark.parametrize("n", [N_CASES, 8])
def test_sound_data_are_told_nothing(tmp_path, values, n):
    assert check(*sound_site(tmp_path, n, values)) == []


def spoilt(tmp_path, file, change, values="calls", n=N_CASES):
    """What is told of a site one file of which, or every file of a folder, was changed."""
    folder, federation = sound_site(tmp_path, n, values)
    path = folder / file
    for one in sorted(path.glob("*.seg.v2.txt")) if path.is_dir() else [path]:
        change_table(one, change)
    return check(folder, federation)


def numbers(change):
    """Change every number of a gene matrix."""
    return lambda frame: pd.concat([frame.iloc[:, :1], change(frame.iloc[:, 1:])], axis=1)


def column(name, change):
    return lambda frame: frame.assign(**{name: change(frame)})


CLINICAL = {
    "age in thousandths": (
        column("age", lambda frame: frame.age / 1000),
        "clinic.csv: the age is below 18 or above 110 years in 60 of 60 cases .case-001, case-002, .* and 55 "
        "more.: another unit .*; write the age at diagnosis in years",
    ),
    "ER % from 0 to 1": (
        column("er_percent", lambda frame: frame.er_percent / 100),
        "er_percent: ER % is above 0 and below 1 in .*: fractions .0.9 for 90., all or some of them",
    ),
    "ER and PR swapped": (
        lambda frame: frame.rename(columns={"er": "pr", "pr": "er"}),
        "ER and PR differ, and ER is the negative one, in .*: ER and PR may be swapped",
    ),
    "ER % and Ki-67 % swapped": (
        lambda frame: frame.rename(columns={"er_percent": "ki67_percent", "ki67_percent": "er_percent"}),
        "ER is positive and Ki-67 80 % or more in .*: Ki-67 % may be another column, such as ER %, and that one Ki-67",
    ),
    "nodes swapped": (
        lambda frame: frame.rename(columns={"nodes_positive": "nodes_examined", "nodes_examined": "nodes_positive"}),
        "more lymph nodes are positive than were examined in .*: the two columns may be swapped",
    ),
    "one case with more positive nodes than examined ones": (
        column(
            "nodes_positive", lambda frame: np.where(frame.index == 16, frame.nodes_examined + 1, frame.nodes_positive)
        ),
        r"nodes_positive and nodes_examined: .* in 1 of 60 cases \(case-017\)",
    ),
    "one case that is ER negative at 90 %": (
        column(
            "er_percent",
            lambda frame: np.where(frame.index == frame.index[frame.er == "negative"][1], 90, frame.er_percent),
        ),
        "er and er_percent: ER is negative, and 10 % or more of the nuclei are stained in 1 of 60 cases",
    ),
    "T after treatment": (
        column("t", lambda frame: np.where(frame.index < 3, "ycT2", frame.t)),
        r"T is after treatment and clinical in 3 cases \(case-001: ycT2, case-002: ycT2, case-003: ycT2\) and read as",
    ),
    "clinical T": (
        column("t", lambda frame: frame.t.str.replace("p", "c")),
        "T is clinical in 60 cases .* name the column of the pathologic T",
    ),
    "ER % is a copy of the age": (
        column("er_percent", lambda frame: frame.age),
        "ER % is the age in 60 of 60 cases .*: one column was mapped to both, or copied",
    ),
}


@pytest.mark.parametrize("kind", CLINICAL)
def test_wrong_clinical_data_are_told(tmp_path, kind):
    change, words = CLINICAL[kind]
    found = spoilt(tmp_path, "clinic.csv", change)
    assert any(re.search(words, line) for line in found), found


def test_less_than_one_percent_where_the_receptor_is_negative_is_what_it_says(tmp_path):
    stained = column("er_percent", lambda frame: frame.er_percent.where(frame.er == "positive", 0.4))
    assert not [line for line in spoilt(tmp_path, "clinic.csv", stained) if "below 1" in line]


def test_ki67_as_fractions_among_percentages_is_told(tmp_path):
    folder, federation = sound_site(tmp_path)
    text = (folder / "clinic.csv").read_text()
    header, *rows = text.splitlines()
    at = header.split(",").index("ki67_percent")
    cells = [row.split(",") for row in rows]
    for number, row in enumerate(cells):
        row[at] = f'"0,{int(row[at]):02d}"' if number % 2 else f"{row[at]}%"
    (folder / "clinic.csv").write_text("\n".join([header, *map(",".join, cells)]) + "\n")
    (found,) = check(folder, federation)
    assert "Ki-67 % is above 0 and below 1 in 30 of 60 cases" in found
    assert "fractions (0,15) among percentages (20 %)" in found


def test_one_column_for_two_fields_is_told(tmp_path):
    folder, federation = sound_site(tmp_path)
    path = folder / "site.yaml"
    path.write_text(path.read_text().replace("er_percent: er_percent", "er_percent: age"))
    assert (
        "site.yaml, sources.clinical.columns: age and er_percent are read from the same column 'age': at most one of "
        "them can be right; name each field's own column, and leave out a field that the file lacks"
    ) in check(folder, federation)


MATRICES = {
    "calls coded 0, 1, 2": ("calls", lambda values: values.clip(-1, 1) + 1, "no loss, but gains, in .* coded 0, 1, 2"),
    "the sign of calls flipped": ("calls", lambda values: -values, "wrong way round"),
    "log2 ratios in thousandths": ("log2", lambda values: values / 1000, "less than noise: another unit"),
    "the sign of log2 ratios flipped": ("log2", lambda values: -values, "wrong way round"),
    "log2 ratios times 1000": ("log2", lambda values: values * 1000, r"values beyond \+-10 in 60 of 60 cases"),
    "copies for log2 ratios": ("log2", lambda values: 2 * 2**values, "numbers of copies .*; write log2"),
    "ratios for log2 ratios": ("log2", lambda values: 2**values, "ratios .1 for normal.*; write log2"),
}


@pytest.mark.parametrize("kind", MATRICES)
def test_wrong_matrices_of_genes_are_told(tmp_path, kind):
    values, change, words = MATRICES[kind]
    file = {"calls": "cnv/data_cna.txt", "log2": "cnv/data_log2_cna.txt"}[values]
    (found,) = spoilt(tmp_path, file, numbers(change), values)
    assert re.search(words, found), found


SEGMENTS = {
    "copies": (column("Segment_Mean", lambda frame: 2 * 2**frame.Segment_Mean), "numbers of copies"),
    "times 1000": (column("Segment_Mean", lambda frame: frame.Segment_Mean * 1000), "values beyond .-10"),
    "thousandths": (column("Segment_Mean", lambda frame: frame.Segment_Mean / 1000), "less than noise"),
    "sign flipped": (column("Segment_Mean", lambda frame: -frame.Segment_Mean), "wrong way round"),
    "swapped with the number of probes": (
        lambda frame: frame.rename(columns={"Num_Probes": "Segment_Mean", "Segment_Mean": "Num_Probes"}),
        r"values beyond \+-10 in 60 of 60 cases .*numbers of probes",
    ),
}


@pytest.mark.parametrize("kind", SEGMENTS)
def test_wrong_segments_are_told(tmp_path, kind):
    change, words = SEGMENTS[kind]
    found = spoilt(tmp_path, "cnv", change, "arms")
    assert any(re.search(words, line) for line in found), found


@pytest.mark.parametrize("n", [N_CASES, 8])
def test_positions_of_hg19_in_files_said_to_be_of_hg38_are_told(tmp_path, n):
    """They end before hg38's chromosomes do, so that every position is one of hg38 too."""
    folder, federation = sound_site(tmp_path, n, "arms")
    rng = np.random.default_rng(5)
    case_ids = [f"case-{number:03d}" for number in range(1, n + 1)]
    write_segments(folder / "cnv", case_ids, arm_levels(n, rng), rng, "hg19")
    (found,) = check(folder, federation)
    assert found.startswith(
        f"cnv: the segments of {n} samples are said to be of hg38, and their chromosomes end where those of hg19 do"
    )


@pytest.mark.parametrize("n", [N_CASES, 8])
def test_a_table_with_every_second_row_times_1000_is_told(tmp_path, n):
    def change(frame):
        frame = frame.set_index("case_id")
        return frame.mul(np.where(np.arange(n) % 2, 1000, 1), axis=0).reset_index()

    (found,) = spoilt(tmp_path, "hif.csv", change, n=n)
    assert f"the values of {n // 2} of {n} cases are about 1,000 times " in found
    assert "two units, or decimal points and commas mixed up" in found


def test_one_column_in_two_units_is_told(tmp_path):
    change = column("feature_3", lambda frame: frame.feature_3 * np.where(frame.index % 3 == 0, 1000, 1))
    (found,) = spoilt(tmp_path, "hif.csv", change)
    assert "feature_3 (20 of 60 cases, such as case-001): two units in one column" in found


@pytest.mark.parametrize("n", [N_CASES, 8])
def test_one_patient_under_two_ids_is_told_by_calls_and_record_together(tmp_path, n):
    folder, federation = sound_site(tmp_path, n)
    change_table(folder / "hif.csv", lambda frame: frame[frame.case_id != "case-005"])
    change_table(folder / "cnv" / "data_cna.txt", column("case-005", lambda frame: frame["case-002"]))

    def copied(frame):
        frame.loc[4, frame.columns[1:]] = frame.loc[1, frame.columns[1:]].to_numpy()
        return frame

    change_table(folder / "clinic.csv", copied)
    assert check(folder, federation) == [
        "cnv and clinical: 1 pairs of cases have the very same values (case-002 and case-005): one patient under two "
        "ids, or a row copied; if they are one patient, keep one of them"
    ]


def test_patients_alike_in_calls_and_unlike_in_their_records_are_not_told(tmp_path):
    folder, federation = sound_site(tmp_path)
    change_table(folder / "cnv" / "data_cna.txt", column("case-005", lambda frame: frame["case-002"]))
    assert check(folder, federation) == []
