"""Forms of copy number side by side: the numbers of the table, and the command on made-up sites."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from simulations.cli import app
from simulations.report.sections.representations import HEADER, HEADER_COMMON, row_of, section
from simulations.studies.representations import Scored, bytes_per_round, results_of

CLASSES = ("a", "b")


def scored(case_ids, shift=0.0):
    """Predictions of both arms; the label alternates, and is told the better the larger the shift."""
    labels = np.arange(len(case_ids)) % 2
    p = np.clip(0.5 + shift * (2 * labels - 1), 0, 1)
    frame = pd.DataFrame({"case_id": case_ids, "label": labels, "p_0": 1 - p, "p_1": p, "set": "cnv"})
    both = [frame.assign(arm="federated"), frame.assign(arm="centralised"), frame.assign(arm="federated", set="fused")]
    return Scored(pd.concat(both, ignore_index=True), inputs=7, bytes_per_round=1234.5)


def test_each_form_is_scored_on_its_own_cases_and_on_those_that_hold_all():
    names = [f"c{number:02d}" for number in range(25)]
    found = results_of({"arms": scored(names, 0.2), "calls": scored(names[:19])}, CLASSES, seed=0)
    assert (found["arms"]["n"], found["calls"]["n"]) == (25, 19)
    assert found["arms"]["common"]["centralised"]["n"] == found["calls"]["common"]["federated"]["n"] == 19
    assert found["arms"]["macro_auroc"]["value"] == 1
    assert found["calls"]["macro_auroc"]["value"] == 0.5
    assert (found["calls"]["inputs"], found["calls"]["bytes_per_round"]) == (7, 1234.5)
    (table,) = section({"representations": found}).tables
    assert [row[0] for row in table.rows] == ["arms", "calls"]
    assert len(row_of("arms", found["arms"])) == len((*HEADER, *HEADER_COMMON)) == len(table.header)
    assert table.rows[0][2:4] == ("1.2 kB", "25")
    assert section({}) is None


def test_forms_without_a_case_in_common_are_refused():
    with pytest.raises(ValueError, match="no test case holds every representation"):
        results_of({"arms": scored(["a", "b"]), "calls": scored(["c", "d"])}, CLASSES, seed=0)


def test_bytes_are_a_sites_share_of_a_round():
    studies = [
        {
            "bytes": {
                "s1": {"cnv": {"up": 30, "down": 60}, "study": {"up": 9, "down": 9}},
                "s2": {"cnv": {"up": 20, "down": 40}},
                "s3": {"hif": {"up": 1, "down": 1}},
            },
            "curves": {"cnv": [None, 0.3, 0.2, 0.1]},
        }
    ]
    assert bytes_per_round(studies) == 150 / (2 * 3)


@pytest.mark.slow
def test_one_command_prints_the_forms_of_made_up_sites(tmp_path):
    quick = ["modalities.cnv.training.epochs=4", "modalities.cnv.federated.rounds=15"]
    size = ["sites=2", "cases=55", "--folds", "2", "values=[arms,calls]", "workers=1"]
    result = CliRunner().invoke(app, ["representations", "--out", str(tmp_path), *size, *quick])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["representations"]
    assert {name: one["inputs"] for name, one in found.items()} == {"arms": 39, "calls": 180}
    assert found["arms"]["bytes_per_round"] < found["calls"]["bytes_per_round"]
    assert all(one["macro_auroc"]["value"] > 0.55 for one in found.values())
    assert "Forms of copy number" in (tmp_path / "report.html").read_text(encoding="utf-8")
