"""systemd's own judgement of units."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

_LEVEL = re.compile(r"Overall exposure level for .*: (\d+\.\d)")


def hold_to_systemd(units: Path, most: float = 3.0) -> list[float]:
    """Every unit below must be one that systemd takes without a word, and expose no more than this; how much each."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    levels = []
    for path in sorted(units.glob("*.service")):
        verified = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60)
        assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
        rated = ["systemd-analyze", "security", "--offline=true", f"--threshold={int(most * 10)}", path]
        done = subprocess.run(rated, capture_output=True, text=True, timeout=60, check=True)
        found = _LEVEL.search(done.stdout)
        assert found is not None, done.stdout
        levels.append(float(found[1]))
    assert levels
    assert max(levels) <= most
    return levels
