"""Programs are started quietly, waited for, and end with all that they started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import flwr
import psutil
import pytest

from strategies.flower.environment import PROMPT, QUIET, environment
from strategies.flower.health import is_healthy, wait_until_healthy
from strategies.flower.processes import end, programs, start, wait_until

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_program_that_does_not_listen_is_killed_with_what_it_started():
    told = []
    process = start([sys.executable, "-c", STUBBORN], os.environ, lambda level, line: told.append(line))
    assert wait_until(lambda: bool(told), 20, 0.05)
    child = psutil.Process(int(told[0]))
    end(process, patience_s=0.5)
    assert process.returncode == -signal.SIGKILL
    child.wait(5)
    end(process)  # once more does no harm


def test_a_program_ends_when_one_that_it_cannot_do_without_does():
    text = (
        "import signal; from strategies.flower.processes import with_vital_children; "
        "print(with_vital_children().Popen(['sleep', '600']).pid, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True) as program:
        child = int(program.stdout.readline())
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(0.5)
        os.kill(child, signal.SIGKILL)
        assert program.wait(20) == -signal.SIGTERM


def test_a_program_dies_with_the_one_that_started_it(tmp_path):
    text = (
        "import time; from strategies.flower.processes import die_with_parent; die_with_parent(); "
        "print(0, flush=True); time.sleep(600)"
    )
    starter = (
        "import subprocess, sys, time; "
        f"p = subprocess.Popen([sys.executable, '-c', {text!r}], stdout=subprocess.PIPE); p.stdout.readline(); "
        "print(p.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE) as process:
        child = psutil.Process(int(process.stdout.readline()))
        process.kill()
    child.wait(10)


def test_one_waits_until_something_holds_or_the_time_is_over():
    looks = iter([False, False, True])
    assert wait_until(lambda: next(looks), 5, 0.01)
    began = time.monotonic()
    assert not wait_until(lambda: False, 0.1, 0.02)
    assert 0.1 <= time.monotonic() - began < 2


def test_flower_reads_every_variable_that_is_set(tmp_path):
    """A variable that a newer Flower no longer reads would be silent: it would install, report or wait again."""
    source = "".join(path.read_text(encoding="utf-8") for path in Path(flwr.__path__[0]).rglob("*.py"))
    names = {
        name for name in (*QUIET, *PROMPT, "FLWR_HOME", "FLWR_LOCAL_SUPERLINK_HTTP_API_PORT") if name[:4] == "FLWR"
    }
    assert len(names) == 6
    assert {name for name in names if name not in source} == set()
    made = environment(tmp_path / "flwr", tmp_path / "bin", **PROMPT)
    assert made["FLWR_HOME"] == str(tmp_path / "flwr")
    assert made["PATH"].split(os.pathsep)[:2] == [str(tmp_path / "bin"), str(programs())]
    assert QUIET.items() | PROMPT.items() <= made.items()


def test_a_superlink_that_ends_at_once_is_told_from_one_that_is_late(tmp_path):
    process = start([sys.executable, "-c", "raise SystemExit(3)"], os.environ, print)
    assert not is_healthy(1)
    with pytest.raises(RuntimeError, match=r"ended as soon as it was started; its log is .*log"):
        wait_until_healthy(process, tmp_path / "log", 1)
