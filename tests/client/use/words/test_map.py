"""`tessera-client map`: what a data manager sees, and what it leaves in site.yaml."""

import os
import pty
import re
import select
import sys

import pytest
from omegaconf import OmegaConf
from typer.testing import CliRunner

from client.check.folder import check_site
from client.cli import app
from client.use.words.choices import Choice, answered, sure_ones
from modalities.core.hooks import Proposal, UnknownWord
from modalities.core.settings.site import read_site_config
from strategies.settings import load_federation

SITE = """\
# Hôpital et clinique
name: st_anna
sources:
  clinical:
    paths: [export.csv]   # l'export
    columns: {case_id: Fall}

policy:
  min_cohort: 3
"""
HEADER = "Fall;ER-Status;PR;UICC-Stadium;Âge;Statut ménopausique;Bemerkung;PAM50"
ROWS = [
    ("positiv", "80 %", "UICC IIB", "61", "ménopausée"),
    ("Positiv", "ca. 10 %", "Stade IA", "47", "non ménopausée"),
    ("nég.", "0", "UICC IIB", "NR", "préménopause"),
    ("k.A.", "5", "fortgeschritten", "58 ans", "NR"),
    ("s. Befund", "k.A.", "", "70", "ménopausée"),
]
LABELS = ["Luminal A", "HER2-angereichert", "Luminal A", "triple-negativ", "k.A."]


@pytest.fixture
def folder(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.yaml").write_text(SITE, encoding="utf-8")
    rows = [f"P-{number};{';'.join(row)};siehe Akte;LumA" for number, row in enumerate(ROWS, start=1)]
    (site / "export.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="cp1252")
    cases = [f"P-{number},{label},train" for number, label in enumerate(LABELS, start=1)]
    (site / "cases.csv").write_text("\n".join(["case_id,label,split", *cases]) + "\n", encoding="utf-8")
    OmegaConf.save({"modalities": {"clinical": {}}}, tmp_path / "federation.yaml")
    return site


def run(folder, *options, federation=True):
    given = ["--federation", str(folder.parent / "federation.yaml")] if federation else []
    return CliRunner().invoke(app, ["map", str(folder), *given, *options], env={"COLUMNS": "160"})


def rows_of(output, word):
    return [
        [cell.strip() for cell in line.strip("│").split("│")] for line in output.splitlines() if f" {word} " in line
    ]


def test_where_nobody_can_be_asked_it_lists_everything_and_writes_nothing(folder):
    found = run(folder)
    assert found.exit_code == 1
    assert rows_of(found.output, "ER-Status") == [["ER-Status", "5", "er", "100 %"]]
    assert rows_of(found.output, "PR") == [["PR", "5", "pr_percent", "100 %"]]
    assert rows_of(found.output, "UICC IIB") == [["stage", "UICC IIB", "2", "2", "100 %"]]
    assert rows_of(found.output, "s. Befund") == [["", "s. Befund", "1", "?", ""]]
    assert rows_of(found.output, "HER2-angereichert") == [["HER2-angereichert", "1", "Her2", "100 %"]]
    assert "columns that speak of no field, left alone: Bemerkung\n" in found.output
    assert "3 values or labels have none that is\nnothing was written: --yes writes the sure ones" in found.output
    assert "PAM50" not in found.output  # it holds the label
    assert (folder / "site.yaml").read_text(encoding="utf-8") == SITE


def test_yes_writes_what_is_sure_below_what_stands_there(folder):
    found = run(folder, "--yes")
    assert found.exit_code == 1
    assert "3 values or labels are unknown still: run this again" in found.output
    text = (folder / "site.yaml").read_text(encoding="utf-8")
    for line in SITE.splitlines():
        assert line.removesuffix("}") in text  # columns: {...} has grown
    config = read_site_config(folder / "site.yaml")
    source = config.sources["clinical"]
    assert source.columns == {
        **{"case_id": "Fall", "er": "ER-Status", "pr_percent": "PR", "stage": "UICC-Stadium", "age": "Âge"},
        "menopause": "Statut ménopausique",
    }
    assert source.values["er"] == {"positiv": "positive", "nég.": "negative", "k.A.": "missing"}
    assert source.values["stage"] == {"UICC IIB": "2", "Stade IA": "1"}
    assert source.values["menopause"] == {
        **{"ménopausée": "post", "non ménopausée": "pre", "préménopause": "pre", "NR": "missing"}
    }
    assert config.labels == {"Luminal A": "LumA", "HER2-angereichert": "Her2", "k.A.": "missing"}


def test_what_is_left_is_written_by_hand_and_then_check_finds_no_error_and_map_nothing(folder):
    run(folder, "--yes")
    text = (folder / "site.yaml").read_text(encoding="utf-8")
    text = text.replace("      er:\n", "      er:\n        s. Befund: missing\n")
    text = text.replace("      stage:\n", "      stage:\n        fortgeschritten: missing\n")
    text = text.replace("labels:\n", "labels:\n  triple-negativ: missing\n")
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    found = run(folder)
    assert (found.exit_code, found.output.splitlines()[-1]) == (0, "every value and label is known")
    report = check_site(folder, load_federation(folder.parent / "federation.yaml"))
    assert [str(problem) for problem in report.problems if problem.level == "error"] == []
    assert report.modalities["clinical"].cases == 5


def test_without_a_study_labels_are_not_looked_at_and_that_is_said(folder):
    found = run(folder, federation=False)
    assert "labels were not looked at: give --federation FILE" in found.output
    assert "HER2-angereichert" not in found.output


def test_files_that_cannot_be_looked_through_are_said_and_the_others_are_mapped(folder):
    (folder / "cases.csv").unlink()
    found = run(folder, "--yes")
    assert found.exit_code == 1
    assert "error: " in found.output
    assert "cases.csv: no such file" in found.output
    assert "positiv: positive" in (folder / "site.yaml").read_text(encoding="utf-8")
    (folder / "export.csv").write_text("Fall;ER\nP-1\n")
    assert "error: export.csv: " in run(folder).output


def test_how_sure_is_sure_enough_may_be_said(folder):
    path = folder / "export.csv"
    path.write_bytes(path.read_bytes().replace(b"Positiv", b"positv"))  # .92: six letters of seven and six
    assert "positv: positive" not in written_with(folder, "--sure", "95")
    assert "positv: positive" in written_with(folder, "--sure", "92")


def written_with(folder, *options):
    run(folder, "--yes", *options)
    return (folder / "site.yaml").read_text(encoding="utf-8")


def word(written, proposal=None, section="values", field="er"):
    return UnknownWord(section, field, written, 3, "positive or negative", proposal)


def test_a_person_takes_a_proposal_says_another_word_or_leaves_it_out():
    words = [word("a", Proposal("positive", 0.5)), word("b"), word("c", Proposal("negative", 0.95)), word("d")]
    answers, questions = iter(["=", "nonsense", "negative", "", " positive "]), []

    def ask(question):
        questions.append(question)
        return next(answers)

    def objection(asked, means):
        return f"{means} is no word" if means == "nonsense" else ""

    choices = answered(words, ask, objection)
    assert [(choice.word.written, choice.means) for choice in choices] == [
        ("a", "positive"), ("b", "negative"), ("d", "positive"),
    ]  # fmt: skip
    assert "er: 'a' (3)\n  positive or negative [Enter leaves it out; = takes positive]: " in questions
    assert "  nonsense is no word\n  once more [Enter leaves it out]: " in questions


def test_only_what_is_sure_enough_is_taken_unasked():
    words = [word("a", Proposal("positive", 0.9)), word("b", Proposal("positive", 0.89)), word("c")]
    assert sure_ones(words, 0.9) == [Choice(words[0], "positive")]


def at_a_terminal(arguments, answers):
    """What the command shows at a terminal whose user gives these answers, and its exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(COLUMNS="160", TERM="dumb")
        os.execv(sys.executable, [sys.executable, "-c", "from client.cli import app; app()", *arguments])
    shown, asked = b"", 0
    while select.select([terminal], [], [], 60)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        shown += part
        if re.search(r"\]: *$", re.sub(r"\x1b\[[0-9;?]*[a-z]", "", shown[asked:].decode(errors="replace"))):
            asked = len(shown)
            os.write(terminal, f"{answers.pop(0)}\n".encode())
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_at_a_terminal_it_asks_for_all_that_is_sure_and_then_for_the_rest(folder):
    arguments = ["map", str(folder), "--federation", str(folder.parent / "federation.yaml")]
    shown, code = at_a_terminal(arguments, ["y", "y", "9", "3", "missing", "y", "missing"])
    assert code == 0, shown
    assert "which is no word for it; write 0 to 4 (AJCC stage) or missing" in shown
    config = read_site_config(folder / "site.yaml")
    assert config.sources["clinical"].values["stage"]["fortgeschritten"] == "3"
    assert config.sources["clinical"].values["er"]["s. Befund"] == "missing"
    assert config.labels["triple-negativ"] == "missing"
