"""Numeric tables: every format that is read, and what is refused with place and remedy."""

import gzip

import numpy as np
import pandas as pd
import pytest

from modalities.core.contract import Source
from modalities.core.settings.federation import federation_from
from modalities.table import Config, read

CSV = "case_id,area,ratio\nTCGA-BH-A0B3-01,1.5,\nTCGA-BH-A0B3-11,9,9\npatient-7,-2,1e-3\n"
EXPECTED = [[1.5, np.nan], [-2, 1e-3]]


def read_text(folder, text, name="table.csv", columns=None, **settings):
    (folder / name).write_text(text)
    return read(Source((folder / name,), "auto", columns or {}), Config(**settings))


def as_parquet(path):
    frame = pd.DataFrame({"case_id": ["TCGA-BH-A0B3-01", "TCGA-BH-A0B3-11", "patient-7"]})
    frame.assign(area=[1.5, 9, -2], ratio=[None, 9, 1e-3]).to_parquet(path)


def as_parquet_with_index(path):
    as_parquet(path)
    pd.read_parquet(path).set_index("case_id").to_parquet(path)


WRITERS = {
    "t.csv": lambda path: path.write_text(CSV),
    "t.CSV": lambda path: path.write_text(CSV),
    "t.tsv": lambda path: path.write_text(CSV.replace(",", "\t")),
    "t.txt": lambda path: path.write_text(CSV.replace(",", "\t")),
    "t.csv.gz": lambda path: path.write_bytes(gzip.compress(CSV.encode())),
    "t.tsv.gz": lambda path: path.write_bytes(gzip.compress(CSV.replace(",", "\t").encode())),
    "t.parquet": as_parquet,
    "indexed.parquet": as_parquet_with_index,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_cases(tmp_path, name):
    WRITERS[name](tmp_path / name)
    cases = read(Source((tmp_path / name,)), Config())
    assert cases.case_ids == ("TCGA-BH-A0B3", "patient-7")
    assert cases.features == ("area", "ratio")
    np.testing.assert_array_equal(cases.values, np.array(EXPECTED, np.float32))
    assert cases.notes == {"samples that are no primary tumour": 1}


@pytest.mark.parametrize("name", ["case_id", "Patient", "patient_id", "CASE", "sample", "Sample_ID", "barcode", "id"])
def test_id_column_is_found_by_its_usual_names_wherever_it_stands(tmp_path, name):
    cases = read_text(tmp_path, f"area,{name},ratio\n1,p,2\n")
    assert cases.case_ids == ("p",)
    assert cases.features == ("area", "ratio")


def test_id_column_may_be_named_in_site_yaml(tmp_path):
    cases = read_text(tmp_path, "ID,PID,area\n5,p,1\n", columns={"case_id": "PID"})
    assert cases.case_ids == ("p",)
    assert cases.features == ("ID", "area")


def test_columns_of_the_site_get_the_agreed_names(tmp_path):
    cases = read_text(tmp_path, "case_id,Fläche,ratio\np,1,2\n", columns={"area": "Fläche"}, features=["ratio", "area"])
    assert cases.values.tolist() == [[2, 1]]


def test_agreed_columns_come_in_their_order_and_an_absent_one_is_missing_and_counted(tmp_path):
    cases = read_text(tmp_path, CSV, features=["ratio", "count", "area"])
    np.testing.assert_array_equal(cases.values[1], np.array([1e-3, np.nan, -2], np.float32))
    assert cases.notes["columns imputed"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("case_id,area\n", "no case in the table; export it again"),
        ("case_id,area\nTCGA-BH-A0B3-11,1\n", "no case in the table"),
        ("case_id,area\np,1\nq,2\np,3\n", "cases listed more than once: p; keep one row a case"),
        ("case_id,area\nTCGA-BH-A0B3-01A,1\nTCGA-BH-A0B3-01B,2\n", "cases listed more than once: TCGA-BH-A0B3"),
        ("who,area\np,1\n", r"no column of case ids \(looked for case_id, patient.*columns.case_id"),
        ("case_id^area\np^1\n", "only one column: line 1 has no tab, comma"),
        ("case_id,area\np,1\n ,2\n", "no case id in line 3; fill it in or take the row out"),
        ("case_id,area\np,1\nTCGA-BH-A0B3-11,2\nq,high\n", "line 4, column 'area': 'high'"),
        ("case_id,area,ratio\np,1,2\nq,2\n", "header has 3 fields, but line 3 has 2"),
    ],
)
def test_unusable_table_is_refused_with_place_and_remedy(tmp_path, text, said):
    with pytest.raises(ValueError, match=f"^table.csv: .*{said}"):
        read_text(tmp_path, text)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"case_id": "PID"}, "no column 'PID', which site.yaml names as case_id; it has case_id, area, ratio"),
        ({"size": "AREA"}, "no column AREA, which site.yaml names; it has area, ratio"),
        ({"ratio": "area"}, "columns listed more than once: ratio; correct sources"),
    ],
)
def test_column_mapping_that_does_not_fit_the_file_is_refused(tmp_path, columns, said):
    with pytest.raises(ValueError, match=f"^table.csv: {said}"):
        read_text(tmp_path, CSV, columns=columns)


def test_a_table_of_another_ending_and_a_damaged_parquet_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"t\.ods: a table must end in one of \.csv"):
        read_text(tmp_path, CSV, name="t.ods")
    with pytest.raises(ValueError, match=r"t\.parquet: no readable Parquet file; export it again"):
        read_text(tmp_path, CSV, name="t.parquet")


def test_every_problem_of_a_table_is_named_at_once(tmp_path):
    with pytest.raises(ValueError, match="PAM50") as caught:
        read_text(tmp_path, "case_id,PAM50,area\np,1,2\n,1,high\np,2,3\n")
    assert [line.split(" (")[0] for line in str(caught.value).splitlines()] == [
        "table.csv: no case id in line 3; fill it in or take the row out",
        "table.csv: cases listed more than once: p; keep one row a case",
        "table.csv: 1 columns must not be inputs",
        "table.csv: 1 cells are no finite number",
    ]


def test_more_than_one_file_or_a_format_is_refused(tmp_path):
    paths = (tmp_path / "a.csv", tmp_path / "b.csv")
    with pytest.raises(ValueError, match=r"a table takes one file, got 2; name one in site\.yaml"):
        read(Source(paths), Config())
    with pytest.raises(ValueError, match="a table's format follows from its file's ending"):
        read(Source(paths[:1], format="excel"), Config())


def test_a_column_that_gives_the_label_away_is_refused_unless_the_study_does_not_ask_for_it(tmp_path):
    text = "case_id,PAM50,area\np,1,2\n"
    with pytest.raises(ValueError, match=r"table\.csv: 1 columns must not be inputs \('PAM50': .*take them out"):
        read_text(tmp_path, text)
    assert read_text(tmp_path, text, features=["area"]).values.tolist() == [[2]]


def test_leakage_guard_gives_way_group_by_group(tmp_path):
    text = "case_id,tumor_ploidy,wgd\np,2.1,1\n"
    with pytest.raises(ValueError, match="columns must not be inputs"):
        read_text(tmp_path, text)
    assert read_text(tmp_path, text, allow=["copy_number"]).values.shape == (1, 2)


def test_one_plugin_serves_two_sections():
    federation = federation_from({"modalities": {"hif": {}, "rppa": {"kind": "table", "clip": 2.0}}})
    assert type(federation.modalities["hif"]) is type(federation.modalities["rppa"]) is Config


def test_real_table_of_slide_features_is_read_whole(tcga_data):
    cases = read(Source((tcga_data / "tcga-brca" / "wsi_hif" / "hif.csv.gz",)), Config())
    assert cases.values.shape == (673, 607)


def test_a_parquet_file_that_holds_far_more_than_its_size_is_refused_before_it_fills_the_memory(tmp_path):
    frame = pd.DataFrame({"case_id": [f"p{n}" for n in range(7)], "a": 1.0})
    rows = pd.concat([frame] * 30_000)
    rows.assign(**{f"x{n}": 0.0 for n in range(40)}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"^t\.parquet: [\d,]+ bytes that unpack to more than [\d,]+, as no export"):
        read(Source((tmp_path / "t.parquet",)), Config())
