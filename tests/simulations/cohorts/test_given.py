"""Outer folds from a file, in the layouts that others publish."""

import pandas as pd
import pytest

from simulations.cohorts.given import given_folds

CASES = pd.Index(["TCGA-A1-0001", "TCGA-A1-0002", "TCGA-B2-0003"])
KNOWN = CASES.append(pd.Index(["TCGA-B2-0009"]))  # its label is no class
PATHO_BENCH = """case_id\tslide_id\tlabel\tfold_0\tfold_1
TCGA-A1-0001\ts1\tx\ttest\ttrain
TCGA-A1-0001\ts2\tx\ttest\ttrain
TCGA-A1-0002\ts3\tx\ttrain\ttest
TCGA-B2-0003\ts4\ty\ttrain\ttrain
TCGA-B2-0009\ts5\tz\ttrain\ttest
"""
PRESERVED = """slide,submitter_id,CV3_a,CV3_b
TCGA-A1-0001-01Z-00-DX1.AB,TCGA-A1-0001,3,1
TCGA-A1-0001-01Z-00-DX2.CD,TCGA-A1-0001,3,1
x,TCGA-A1-0002,1,
y,TCGA-B2-0003,2,2
"""
HISTOFL = """,train,val,test
0,TCGA-A1-0001-01Z-00-DX1.AB,TCGA-B2-0003,TCGA-A1-0002-01Z-00-DX1
1,TCGA-A1-0001-01Z-00-DX2.CD,,
"""


@pytest.mark.parametrize(
    ("name", "text", "column", "folds"),
    [
        ("k=all.tsv", PATHO_BENCH, "", [1, 2, 0]),
        ("brca_splits.csv", PRESERVED, "CV3_a", [3, 1, 2]),
        ("splits_0.csv", HISTOFL, "", [0, 1, 0]),
        ("own.csv", "case,fold\nTCGA-A1-0001,b\nTCGA-A1-0002,a\nTCGA-B2-0003,b\n", "", [2, 1, 2]),
        ("one.csv", "patient,split\nTCGA-A1-0001,test\nTCGA-A1-0002,Train\nTCGA-B2-0003,val\n", "", [1, 0, 0]),
    ],
)
def test_each_layout_says_where_a_case_is_tested(tmp_path, name, text, column, folds):
    (tmp_path / name).write_text(text)
    assert given_folds(tmp_path / name, column, CASES, KNOWN).tolist() == folds


def test_cases_that_leak_are_unknown_or_missing_are_told_at_once(tmp_path):
    path = tmp_path / "folds.csv"
    path.write_text("case_id,fold\nTCGA-A1-0001,1\nTCGA-A1-0001,2\nTCGA-A1-0002,1\nTCGA-Z9-0007,2\n")
    with pytest.raises(ValueError, match="more than one fold: TCGA-A1-0001") as raised:
        given_folds(path, "", CASES, KNOWN)
    assert "the data folder does not have: TCGA-Z9-0007" in str(raised.value)
    assert "have no fold: TCGA-B2-0003" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        (PRESERVED, "", r"which column says the fold\? there are slide, CV3_a, CV3_b; give its name: folds_column="),
        (PRESERVED, "CV3_c", "no column CV3_c"),
        (PRESERVED, "CV3_b", "have no fold: TCGA-A1-0002"),  # blank there
        ("name,fold\na,1\n", "", "no column of cases"),
        ("case,split\nTCGA-A1-0001,train\nTCGA-A1-0002,train\nTCGA-B2-0003,train\n", "", "no case is tested"),
    ],
)
def test_a_file_that_does_not_say_the_folds_is_refused(tmp_path, text, column, said):
    (tmp_path / "folds.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        given_folds(tmp_path / "folds.csv", column, CASES, KNOWN)
