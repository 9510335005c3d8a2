"""A Ray cluster gives the numbers of local workers, and a machine that is lost costs its jobs only."""

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from simulations.engines.cluster import _run_there, run_on_cluster
from strategies.flower.processes import wait_until

if find_spec("ray") is None:  # importing it would change the logging of every test of this process
    pytest.skip("Ray is not installed", allow_module_level=True)
BIN = Path(sys.executable).parent
OPTIONS = ("--sites", "3", "--cases", "30", "--small", "folds=2", "fusion.rounds=3")


def run(*command, cwd=None):
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def cluster(tmp_path):
    """The address of a head without processors; two machines of one processor each join it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start = (BIN / "ray", "start", "--block", "--disable-usage-stats", "--object-store-memory", "100000000")
    head = begun(*start, "--head", "--port", str(port), "--num-cpus", "0", "--include-dashboard", "false")
    wait_until(lambda: listens(port), 120)
    others = [begun(*start, "--address", f"127.0.0.1:{port}", "--num-cpus", "1") for _ in range(2)]
    yield f"127.0.0.1:{port}"
    for machine in (*others, head):  # not `ray stop`, which ends every Ray of this user
        os.killpg(machine.pid, signal.SIGKILL)
        machine.wait()


def begun(*command):
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=environment, start_new_session=True, **quiet)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_a_comparison_over_two_machines_gives_the_numbers_of_local_workers(cluster, tmp_path):
    found = {}
    for name, workers in (("here", "2"), ("there", f"ray:{cluster}")):
        done = run(BIN / "tessera-simulate", "synthetic", *OPTIONS, "--out", name, f"workers={workers}", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        found[name] = pd.read_csv(tmp_path / name / "predictions.csv.gz")
    pd.testing.assert_frame_equal(found["here"], found["there"])


LOSES_ONE = """
    import os, signal, subprocess, sys, threading, time
    from pathlib import Path
    from simulations.engines.cluster import run_on_cluster

    def take_time(number):
        with Path(f"{number}.txt").open("a") as file:
            file.write(f"{os.getppid()}\\n")  # a worker's parent is its machine's raylet
        time.sleep(6 if number < 2 else 0.1)
        return number

    def lose_one():
        while not all(Path(f"{number}.txt").is_file() for number in range(2)):
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(int(Path("0.txt").read_text().split()[0]), signal.SIGKILL)

    threading.Thread(target=lose_one).start()
    print("done:", sorted(run_on_cluster(take_time, list(range(6)), sys.argv[1])))
"""


@pytest.mark.slow
def test_a_machine_that_is_lost_costs_the_jobs_that_ran_there_and_they_are_done_elsewhere(cluster, tmp_path):
    done = run(sys.executable, "-c", textwrap.dedent(LOSES_ONE), f"ray:{cluster}", cwd=tmp_path)
    assert "done: [0, 1, 2, 3, 4, 5]" in done.stdout, done.stdout + done.stderr
    begun = [len((tmp_path / f"{number}.txt").read_text().split()) for number in range(6)]
    assert begun == [2, 1, 1, 1, 1, 1]


@pytest.mark.slow
def test_what_a_job_raises_ends_the_command_as_it_is(cluster, tmp_path):
    script = (
        "import sys, operator; from simulations.engines.cluster import run_on_cluster; "
        "list(run_on_cluster(operator.neg, ['text'], sys.argv[1]))"
    )
    done = run(sys.executable, "-c", script, f"ray:{cluster}", cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == "TypeError: bad operand type for unary -: 'str'"


def test_a_machine_that_does_not_see_the_folder_is_named_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"Ray cluster does not see .*gone; run the command in a folder"):
        _run_there(len, "ab", str(tmp_path / "gone"))


def test_an_address_where_nothing_listens_is_one_clear_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ValueError, match=re.escape(f"no Ray cluster answers at {address}")):
        list(run_on_cluster(len, ["ab"], f"ray:{address}"))
