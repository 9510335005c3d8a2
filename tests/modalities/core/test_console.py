"""How every command ends where something is wrong."""

import pytest
import typer

from modalities.core.console import plainly


def test_what_may_not_be_read_or_written_is_said_in_a_line(capsys):
    @plainly
    def command():
        raise PermissionError(13, "Permission denied", "/exports/clinic.csv")

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 1
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("error: /exports/clinic.csv: Permission denied; give this user the right to read and write")
