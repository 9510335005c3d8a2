"""Training, scoring, fusion and prediction on another device than the processor."""

import re
import subprocess
import sys

from tests.conftest import REPOSITORY


def test_the_whole_path_runs_on_another_device_and_gives_the_processors_numbers():
    """In a process of its own: a device in use, and the forks of other tests, do not go together."""
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-rs", "-p", "no:cacheprovider", "tests/on_device.py"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) passed(?:, (\d+) skipped)? in ", done.stdout)
    assert found, done.stdout
    assert found[2] in (None, found[1]), done.stdout  # each test runs on the stand-in, and on a GPU where there is one
