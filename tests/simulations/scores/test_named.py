"""predictions.csv.gz: with class names, and with an external cohort's cases."""

import pandas as pd
import pytest

from simulations.scores.named import named, numbered

CLASSES = ["LumA", "p_1"]  # a class may be called as a column was
TABLE = pd.DataFrame(
    {
        "arm": "federated", "set": "cnv", "case_id": ["a", "b"], "site": ["x", "y"], "label": [1, 0], "fold": [2, 1],
        "p_0": [0.75, 0.25], "p_1": [0.25, 0.75], "temperature": [float("nan"), 0.9],
    }
)  # fmt: skip


def test_classes_stand_by_name_and_external_cases_last_in_fold_0():
    outside = TABLE.assign(case_id=["c", "d"], fold=1)
    table = named(TABLE, CLASSES, outside)
    assert table["label"].tolist() == ["p_1", "LumA"] * 2
    assert table["predicted"].tolist() == ["LumA", "p_1"] * 2
    assert table["p_LumA"].tolist() == [0.75, 0.25] * 2
    assert table["p_p_1"].tolist() == [0.25, 0.75] * 2
    assert table["cohort"].tolist() == ["study"] * 2 + ["external"] * 2
    assert table["fold"].tolist() == [2, 1, 0, 0]


def test_what_was_named_can_be_numbered_again():
    table = named(TABLE, CLASSES, TABLE.assign(case_id=["c", "d"]))
    again = numbered(table, CLASSES)
    pd.testing.assert_frame_equal(again[TABLE.columns], TABLE)
    assert numbered(table, CLASSES, "external")["case_id"].tolist() == ["c", "d"]


@pytest.mark.parametrize("cohort", ["study", "external"])
def test_no_case_is_of_both_cohorts(cohort):
    assert set(numbered(named(TABLE, CLASSES), CLASSES, cohort)["case_id"]) == (
        {"a", "b"} if cohort == "study" else set()
    )
