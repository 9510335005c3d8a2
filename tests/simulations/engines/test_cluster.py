"""A Ray cluster gives the numbers of local workers, and a machine that is lost costs its jobs only."""

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from simulations.engines.cluster import _run_there, run_on_cluster

if find_spec("ray") is None:  # importing it would change the logging of every test of this process
    pytest.skip("Ray is not installed", allow_module_level=True)
BIN = Path(sys.executable).parent
OPTIONS = ("--sites", "3", "--cases", "30", "--small", "folds=2", "fusion.rounds=3")


def run(*command, cwd=None, seconds=240):
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=seconds)


@pytest.fixture(scope="module")
def cluster():
    """The address of a head without processors, which two machines of one processor each have joined.

    A machine of Ray gives up where its helpers take more than 15 s to begin, as they may beside other tests.
    """
    for _ in range(TRIES):
        with ExitStack() as machines:
            if address := joined(machines):
                yield address
                return
    pytest.skip(f"Ray did not begin three machines here in {TRIES} tries; each gives its helpers 15 s")


TRIES = 3


def joined(machines):
    """One after the other: begun at once, they are slower than Ray waits for."""
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    head = ("--head", "--port", str(port), "--num-cpus", "0", "--include-dashboard", "false")
    for count, options in enumerate((head, *[("--address", address, "--num-cpus", "1")] * 2)):
        machines.enter_context(machine(*options))
        if not has_processors(address, count):
            return None
    return address


def free_ports(count):
    with ExitStack() as all_of_them:
        sockets = [all_of_them.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


PORTS = (
    "node-manager-port",
    "object-manager-port",
    "runtime-env-agent-port",
    "dashboard-agent-grpc-port",
    "dashboard-agent-listen-port",
    "metrics-export-port",
)
"""Of one machine. A machine that seeks them itself gives up where they are taken, or not found within 15 s."""


@contextmanager
def machine(*options):
    """`ray start`; ended by its process group, not by `ray stop`, which ends every Ray of this user."""
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    ports = [f"--{name}={port}" for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)]
    start = (BIN / "ray", "start", "--block", "--disable-usage-stats", "--object-store-memory", "100000000")
    command = (*start, *ports, *options)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, start_new_session=True, **quiet) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def has_processors(address, count):
    """Asked in another process: Ray would change the logging of this one."""
    try:
        return run(sys.executable, "-c", textwrap.dedent(WAITS), address, str(count), seconds=75).returncode == 0
    except subprocess.TimeoutExpired:  # Ray waits for its head for ever
        return False


WAITS = """
    import sys, time, ray
    address, count = sys.argv[1:]
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if not ray.is_initialized():
                ray.init(address=address, log_to_driver=False)
            if ray.cluster_resources().get("CPU", 0) == int(count):
                sys.exit(0)
        except (ConnectionError, RuntimeError):  # its head does not answer yet
            pass
        time.sleep(0.2)
    sys.exit(1)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_comparison_over_two_machines_gives_the_numbers_of_local_workers(cluster, tmp_path):
    found = {}
    for name, workers in (("here", "2"), ("there", f"ray:{cluster}")):
        done = run(BIN / "tessera-simulate", "synthetic", *OPTIONS, "--out", name, f"workers={workers}", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        found[name] = pd.read_csv(tmp_path / name / "predictions.csv.gz")
    pd.testing.assert_frame_equal(found["here"], found["there"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_a_job_raises_ends_the_command_as_it_is(cluster, tmp_path):
    script = (
        "import sys, operator; from simulations.engines.cluster import run_on_cluster; "
        "list(run_on_cluster(operator.neg, ['text'], sys.argv[1]))"
    )
    done = run(sys.executable, "-c", script, f"ray:{cluster}", cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == "TypeError: bad operand type for unary -: 'str'"


LOSES_ONE = """
    import os, signal, sys, threading, time
    from pathlib import Path
    import ray
    from simulations.engines.cluster import run_on_cluster

    def take_time(number):
        with Path(f"{number}.txt").open("a") as file:  # a worker's parent is its machine's raylet
            file.write(f"{ray.get_runtime_context().get_node_id()} {os.getppid()}\\n")
        time.sleep(6 if number < 2 else 0.1)
        return number

    def lose_one():
        while not all(Path(f"{number}.txt").is_file() for number in range(2)):
            time.sleep(0.05)
        time.sleep(0.5)
        own = ray.get_runtime_context().get_node_id()
        machines = [Path(f"{number}.txt").read_text().split() for number in range(2)]
        os.kill(next(int(raylet) for node, raylet in machines if node != own), signal.SIGKILL)

    threading.Thread(target=lose_one).start()
    print("done:", sorted(run_on_cluster(take_time, list(range(6)), sys.argv[1])))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_machine_that_is_lost_costs_the_jobs_that_ran_there_and_they_are_done_elsewhere(cluster, tmp_path):
    done = run(sys.executable, "-c", textwrap.dedent(LOSES_ONE), f"ray:{cluster}", cwd=tmp_path)
    assert "done: [0, 1, 2, 3, 4, 5]" in done.stdout, done.stdout + done.stderr
    begun = [len((tmp_path / f"{number}.txt").read_text().splitlines()) for number in range(6)]
    assert (sorted(begun[:2]), begun[2:]) == ([1, 2], [1, 1, 1, 1])


def test_a_machine_that_does_not_see_the_folder_is_named_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"Ray cluster does not see .*gone; run the command in a folder"):
        _run_there(len, "ab", str(tmp_path / "gone"))


def test_an_address_where_nothing_listens_is_one_clear_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ValueError, match=re.escape(f"no Ray cluster answers at {address}")):
        list(run_on_cluster(len, ["ab"], f"ray:{address}"))
