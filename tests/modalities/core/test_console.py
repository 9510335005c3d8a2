"""How every command ends where something is wrong."""

import subprocess

import pytest
import typer
from rich.table import Table

from modalities.core.console import console, plainly, say


def test_a_program_that_does_not_answer_is_said_without_what_it_was_told(capsys):
    @plainly
    def command():
        raise subprocess.TimeoutExpired(["/opt/bin/flwr", "supernode", "register", "a.pub"], 60.0)

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 1
    said = " ".join(capsys.readouterr().out.split())
    assert said == "error: flwr did not answer within 60 s; is this machine busy? type this again"


def test_what_may_not_be_read_or_written_is_said_in_a_line(capsys):
    @plainly
    def command():
        raise PermissionError(13, "Permission denied", "/exports/clinic.csv")

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 1
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("error: /exports/clinic.csv: Permission denied; give this user the right to read and write")


def test_nothing_that_others_named_steers_a_terminal_in_a_line_or_in_a_table(capsys, monkeypatch):
    shown = type(console)(width=60, force_terminal=True, color_system=None, legacy_windows=False)
    monkeypatch.setattr("modalities.core.console.console", shown)
    table = Table("name")
    table.add_row("site\x1b[2J\x9b1m")
    shown.print(table)
    say("column \x1b]0;title\x07 of ward\u202e7\r, ü")
    said = capsys.readouterr().out
    assert r"site\x1b[" in said
    assert r"column \x1b]0;title of ward\u202e7, ü" in said
    assert not set("\x1b\x9b\x07\r\u202e") & set(said)
