"""What the commands make is nobody else's to read or to change, whatever umask they are started under."""

import subprocess
import sys

import pytest

_COMMANDS = {
    "client": ["init", "--name", "north", "--address", "localhost:1"],
    "server": ["init", "--san", "localhost"],
}


@pytest.mark.parametrize("program", _COMMANDS)
def test_others_of_the_machine_can_neither_read_nor_change_what_init_makes(tmp_path, program):
    command, *options = _COMMANDS[program]
    code = f"import os; os.umask(0); from {program}.cli import app; app()"
    subprocess.run([sys.executable, "-c", code, command, tmp_path / "made", *options], check=True, capture_output=True)
    made = [tmp_path / "made", *(tmp_path / "made").rglob("*")]
    assert len(made) > 4
    assert {path: path.stat().st_mode & 0o027 for path in made if path.stat().st_mode & 0o027} == {}
