"""A disk that is full at the coordinator, in each phase, or at a site: one message, and nothing of the study is lost.

The disks are small ones of their own, in a mount namespace, so that they are really full.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.full_disks import PHASES, SITE_REQUESTS

REPOSITORY = Path(__file__).resolve().parents[2]
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
MOUNT = 'mount -t tmpfs -o size={size} none "{folder}"'
FAILED = ["the site reported a failure; its own log says more"]


def in_a_namespace(command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """A shell command that may mount what nobody else sees; what it mounted goes with it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [*NAMESPACE, "sh", "-ec", command]
    return subprocess.run(line, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Sequence[dict]:
    """All that tests/faults/full_disks.py tries."""
    here = tmp_path_factory.mktemp("full")
    disks = {here / "run": "400k", here / "sites" / "site_3" / ".tessera": "2m"}
    for disk in disks:
        disk.mkdir(parents=True)
    mounts = " && ".join(MOUNT.format(size=size, folder=disk) for disk, size in disks.items())
    try:
        if in_a_namespace(mounts).returncode:
            pytest.skip("this machine lets no user mount a disk of its own")
    except FileNotFoundError:
        pytest.skip("this machine has no unshare")
    done = in_a_namespace(f'{mounts} && exec {sys.executable} -m tests.faults.full_disks "{here}"', 1500.0)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"party"')]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_disk_that_fills_up_at_the_coordinator_ends_the_run_with_what_to_do_and_resume_goes_on(tried):
    found = [one for one in tried if one["party"] == "coordinator"]
    assert [one["phase"] for one in found] == list(PHASES)
    for one in found:
        assert one["at"] == one["phase"], "the run ended with the very next thing that it wrote"
        assert "run: this disk does not take the study's progress (" in one["said"]
        assert "No space left on device" in one["said"]
        assert one["said"].endswith("then resume; every step that was finished before is kept")
        assert (one["kept"], one["same"]) == (True, True)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_disk_that_fills_up_at_a_site_costs_its_reply_and_the_site_goes_on_once_there_is_room(tried):
    """What it cannot note in its audit log does not leave; in fusion and calibration it is asked again."""
    found = {one["phase"]: one for one in tried if one["party"] == "site"}
    assert list(found) == list(SITE_REQUESTS)
    for one in found.values():
        assert (one["was_full"], one["notes"], one["logged"], one["same"]) == (True, FAILED, True, True)
    assert found["train.branches"]["missing"] == {"site_3": {"cnv": [1], "hif": [1]}}
    assert found["train.fusion"]["head"]
    assert found["train.fusion"]["missing"] == found["query.conformal"]["missing"] == {}
