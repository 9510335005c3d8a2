"""Memory runs out at a site: a task is told so, or the kernel kills it."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from client.node.complaints import complaints_of
from client.node.home import Home
from modalities.core.problems import remedy_of
from tests.deployment.machine import REPOSITORY, wait_until

REMEDY = "give this machine, or the service (MemoryMax), more memory"


def test_every_librarys_way_to_say_it_has_the_remedy():
    for ask in (lambda: np.empty(2**50), lambda: torch.empty(2**60), lambda: bytes(2**60)):
        with pytest.raises((MemoryError, RuntimeError)) as told:
            ask()
        assert remedy_of(told.value) == REMEDY
    assert remedy_of(RuntimeError("another")) == ""


@pytest.mark.slow
def test_a_task_that_the_kernel_kills_is_told_of(tmp_path):
    """The real server of tasks, whose task asks somebody that never answers."""
    home = Home(tmp_path / "site")
    home.folder.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as silent, tempfile.TemporaryDirectory() as short:
        address = Path(short) / "workers"
        command = [sys.executable, "-P", "-m", "client.node.fork_server", str(address), str(home.site)]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
            try:
                wait_until(address.exists, 100, "it listens")
                for number in (signal.SIGTERM, signal.SIGKILL):
                    ask(address, silent.getsockname()[1])
                    wait_until(lambda: psutil.Process(server.pid).children(), 20, "it has a task", 0.05)
                    psutil.Process(server.pid).children()[0].send_signal(number)
                    wait_until(lambda: not psutil.Process(server.pid).children(), 20, "the task has ended", 0.05)
                wait_until(lambda: bool(complaints_of(home)), 20, "it is told", 0.05)
            finally:
                server.terminate()
    (said,) = complaints_of(home)
    assert said == (
        "a task was killed (SIGKILL) before it had answered; if nobody did that, memory ran out: "
        "give this machine, or the service (MemoryMax), more memory"
    )


def ask(address, port):
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(address))
        asking.sendall(
            json.dumps(["--runtime-api-address", f"127.0.0.1:{port}", "--token", "t", "--insecure"]).encode()
        )
