"""`tessera-client check`: what a data manager sees before a study."""

import json
import re
from io import StringIO

import pandas as pd
import pytest
from omegaconf import OmegaConf
from rich.console import Console
from typer.testing import CliRunner

from client import cli
from client.cli import app
from tests.support import small_federation, write_sites

FEDERATION = small_federation()


@pytest.fixture
def root(tmp_path):
    OmegaConf.save(FEDERATION.to_dict(), tmp_path / "federation.yaml")
    return write_sites(tmp_path, FEDERATION, [("cnv", "hif"), ("cnv",)], [13, 11])


def check(root, number=1, *options):
    arguments = ["check", str(root / f"site_{number}"), "--federation", str(root / "federation.yaml"), *options]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def rows(found):
    """The table of modalities: name -> cases, those for training, notes."""
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in found.output.splitlines() if "│" in line]
    return {name: own for name, *own in cells if len(own) == 3}  # the table of numbers has more columns


def trained_on(site):
    """The cases that cases.csv keeps for training, with a label that the task asks for."""
    listed = pd.read_csv(site / "cases.csv")
    return set(listed.case_id[(listed.split == "train") & listed.label.isin(FEDERATION.task.classes)])


def test_a_sound_site_says_what_each_modality_has(root):
    found = check(root)
    assert found.exit_code == 0
    assert "site_1" in found.output
    training = trained_on(root / "site_1")
    with_hif = pd.read_csv(root / "site_1" / "hif" / "table.csv").case_id
    n_hif, n_both = len(with_hif), len(training & set(with_hif))
    assert 0 < n_both < n_hif < 13
    assert rows(found) == {"cnv": ["13", str(len(training)), ""], "hif": [str(n_hif), str(n_both), ""]}


def test_on_a_terminal_the_line_of_counts_is_plain(root, monkeypatch):
    """Colour says how grave a problem is: a coloured 0 before `errors` would say the opposite of what it means."""
    screen = StringIO()
    monkeypatch.setattr(cli, "console", Console(file=screen, force_terminal=True, color_system="standard", width=200))
    assert check(root).exit_code == 0
    last = screen.getvalue().splitlines()[-1]
    assert last.startswith("0 errors, ")
    assert "\x1b" not in last


def test_a_modality_that_the_site_does_not_offer_is_no_problem(root):
    found = check(root, 2)
    assert found.exit_code == 0
    n = str(len(trained_on(root / "site_2")))
    assert rows(found) == {"cnv": ["11", n, ""], "hif": ["-", "-", "not offered by site.yaml"]}


def test_the_problems_of_every_modality_are_said_at_once(root):
    (root / "site_1" / "cnv" / "data_cna.txt").write_text("gene\tp1\nMYC\t1\n")
    (root / "site_1" / "hif" / "table.csv").write_text("case_id,f\np1,[/not a number]\n")
    found = check(root)
    assert found.exit_code == 1
    assert "error: data_cna.txt: the first column must be Hugo_Symbol" in found.output
    assert "error: table.csv: 1 cells are no finite number (line 2, column 'f': '[/not a number]')" in found.output
    assert "3 errors, 0 warnings, " in found.output


def test_a_case_list_that_is_wrong_is_said_with_its_remedy(root):
    path = root / "site_1" / "cases.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    found = check(root)
    assert found.exit_code == 1
    assert "cases listed more than once: site_1-case-013; keep one row a case" in found.output
    assert re.search(r"^1 error, \d+ warnings?, ", found.output, re.MULTILINE)


def test_warnings_alone_do_not_fail(root):
    path = root / "site_1" / "cases.csv"
    path.write_text(path.read_text().replace("site_1-case-001", "0012345678"))
    found = check(root)
    assert found.exit_code == 0
    assert "warning: cases.csv, column case_id: 1 case ids look like hospital numbers (line 2)" in found.output


@pytest.mark.parametrize(("text", "code"), [(None, 0), ("", 1)])
def test_json_is_one_document_and_the_exit_code_is_the_same(root, text, code):
    if text is not None:
        (root / "site_1" / "cases.csv").write_text(text)
    found = check(root, 1, "--json")
    document = json.loads(found.output)
    assert found.exit_code == code
    assert document["version"] == 1
    assert (document["site"], document["ok"]) == ("site_1", code == 0)
    assert [problem["file"] for problem in document["problems"] if problem["level"] == "error"] == ["cases.csv"] * code


def test_wrong_settings_of_the_study_do_not_hide_the_sites_own_problems(root):
    (root / "federation.yaml").write_text("sed: 3\n")
    (root / "site_1" / "hif" / "table.csv").unlink()
    found = check(root)
    assert found.exit_code == 1
    assert "sed: no such setting; did you mean 'seed'?" in found.output
    assert "site.yaml, sources.hif: " in found.output
