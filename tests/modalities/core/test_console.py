"""How every command ends where something is wrong."""

import subprocess

import pytest
import typer

from modalities.core.console import plainly


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
