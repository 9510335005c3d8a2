"""A real process that is stopped or killed while files come, and the same command once more."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.simulations.download.made import file_of, portal_of
from tests.simulations.download.portal import serving

MIB = 1 << 20
COMMAND = Path(sys.executable).with_name("tessera-simulate")


def command_on(portal, out):
    given = ["--gdc", portal.address, "--cbioportal", f"{portal.address}/api", "--parallel", "2", "--out", str(out)]
    return subprocess.Popen(
        [str(COMMAND), "download", *given], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_for(process, condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "the condition did not come about"
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_was_interrupted_goes_on_and_ends_with_the_same_bytes(tmp_path, how):
    files = [file_of(number, MIB + number) for number in range(1, 8)]
    with serving(portal_of(files)) as portal:
        portal.pace_s = 0.2  # a file takes three seconds, so that most are still to come when two are there
        first = command_on(portal, tmp_path)
        wait_for(first, lambda: len(list(tmp_path.rglob("*.seg.v2.txt"))) >= 2)
        wait_for(first, lambda: any(part.stat().st_size for part in tmp_path.rglob("*.partial")))
        first.send_signal(how)
        said, _ = first.communicate(timeout=30)
        assert first.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
        assert ("the same command goes on from here" in said) == (how == signal.SIGINT)
        assert "Traceback" not in said
        whole = [file for file in files if list(tmp_path.rglob(file.name))]
        parts = {part.parent.name: part.stat().st_size for part in tmp_path.rglob("*.partial")}
        assert 2 <= len(whole) < len(files)
        assert parts
        portal.asked.clear()
        portal.pace_s = 0.0
        second = command_on(portal, tmp_path)
        assert second.wait(120) == 0, second.communicate()[0]
        second.communicate()
    ranges = {file.id: portal.asked_of(file) for file in files}
    for file in files:
        (path,) = tmp_path.rglob(file.name)
        assert path.read_bytes() == file.content
        begun = parts.get(file.id, 0)
        is_there = file in whole or begun == len(file.content)  # killed between the last byte and its place
        expected = [] if is_there else [(f"bytes={begun}-", 206) if begun else ("", 200)]
        assert ranges[file.id] == expected
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.slow
def test_two_commands_do_not_write_into_one_folder(tmp_path):
    with serving(portal_of([file_of(1, 32 * MIB)])) as portal:
        portal.pace_s = 1.0  # minutes, until the second command has ended
        first = command_on(portal, tmp_path)
        wait_for(first, lambda: list(tmp_path.rglob("*.partial")))
        second = command_on(portal, tmp_path)
        said, _ = second.communicate(timeout=120)
        assert second.returncode == 1
        assert "another download writes into this folder; wait for it" in said
        portal.pace_s = 0.0
        assert first.wait(120) == 0
        first.communicate()
