"""Keeps a site's SuperNode running: started again when it ends, with growing pauses, until somebody stops it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.node.approval import last_refused, refusal
from client.node.home import Home
from client.node.log_reader import LogReader
from client.node.programs import write_programs
from modalities.core.settings.site import SiteConfig

QUIET = {
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1",
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
"""Nothing is installed, looked up or reported at run time, no thread runs that a fork would lose, and work
that comes in is taken up at once."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 60.0
_STEADY_S = 120.0
"""After that long a connection, the next pause is a short one again."""
_END_S, _LOOK_S = 20.0, 0.3


@dataclass(frozen=True)
class Node:
    """The SuperNode of one site."""

    home: Home
    config: SiteConfig

    def command(self) -> list[str]:
        """Flower's SuperNode with this site's address, authority, key and folder."""
        own = self.config.coordinator
        return [
            *(sys.executable, "-P", "-m", "client.node.supernode"),
            *("--superlink", own.address, "--root-certificates", str((self.home.site / own.authority).resolve())),
            *("--auth-supernode-private-key", str(self.home.key.resolve()), "--port", str(own.local_port)),
            *("--host", "127.0.0.1", "--node-config", f'site="{self.home.site.resolve()}"'),
        ]

    def environment(self) -> dict[str, str]:
        """With Flower's own folder inside the site's, and the site's programs before Flower's."""
        folders = [self.home.programs.resolve(), Path(sys.executable).parent, os.environ.get("PATH", "")]
        path = os.pathsep.join(str(folder) for folder in folders)
        return {**os.environ, **QUIET, "PATH": path, "FLWR_HOME": str(self.home.flower.resolve())}

    @contextmanager
    def program(self, *command: str) -> Iterator[subprocess.Popen]:
        """A program of the node, in a session of its own, with its output in the site's log; it ends with the block."""
        with self.home.log.open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                command, env=self.environment(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            yield process
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, number)
                    process.wait(_END_S)


def keep_joined(node: Node, say: Callable[[str], None]) -> None:
    """Run the SuperNode until this process is told to stop (SIGTERM or Ctrl-C); then end it in an orderly way.

    Whatever ends it otherwise (a restart of the server, a lost network, a crash) is followed by another start.

    Raises:
        ValueError: the site takes part already.
    """
    node.home.flower.mkdir(parents=True, exist_ok=True)
    with node.home.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            process = state_of(node.home).get("pid")
            raise ValueError(f"{node.home.site}: this site takes part already (process {process})") from None
        signal.signal(signal.SIGTERM, _interrupt)
        _keep_running(node, say)


def _keep_running(node: Node, say: Callable[[str], None]) -> None:
    pause, told = _FIRST_PAUSE_S, ""
    try:
        with tempfile.TemporaryDirectory(prefix="tessera-") as folder:  # a socket's path must be short
            socket = str(Path(folder) / "workers")
            write_programs(node.home, socket)
            while True:
                started = time.monotonic()
                meaning, was_connected = _run_once(node, socket, say)
                pause = _FIRST_PAUSE_S if time.monotonic() - started > _STEADY_S else pause
                told = "" if was_connected else told
                if meaning != told:
                    say(f"not connected: {meaning}")
                    told = meaning
                _write_state(node.home, "waiting", meaning=meaning)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
    except KeyboardInterrupt:
        say("stopped")
    finally:
        _write_state(node.home, "stopped")


def _run_once(node: Node, socket: str, say: Callable[[str], None]) -> tuple[str, bool]:
    """One life of the SuperNode and of the server that forks its tasks: why it ended, and whether it was connected."""
    Path(socket).unlink(missing_ok=True)
    log = LogReader(node.home.log)
    workers = (sys.executable, "-P", "-m", "client.node.fork_server", socket, str(node.home.site.resolve()))
    with node.program(*workers) as forking:
        _wait_until(lambda: Path(socket).exists() or forking.poll() is not None)
        with node.program(*node.command()) as supernode:
            since = _write_state(node.home, "connecting")
            refused = last_refused(node.home)
            while supernode.poll() is None and forking.poll() is None:
                was_connected, n_complaints = log.connected, len(log.complaints)
                if log.read():
                    since = since if was_connected else time.time()
                    _write_state(node.home, "connected", since, request=log.request, complaints=log.complaints)
                if log.connected and not was_connected:
                    say("connected")
                for complaint in log.complaints[n_complaints:]:
                    say(complaint)
                if last_refused(node.home) not in ({}, refused):
                    refused = last_refused(node.home)
                    say(refusal(refused["digest"], node.home.site))
                time.sleep(_LOOK_S)
    log.read()
    return log.meaning(node.config.coordinator.local_port), log.connected


def state_of(home: Home) -> dict[str, Any]:
    """What `keep_joined` last wrote, with `alive`: whether it still runs; empty where it never ran."""
    if not home.state.is_file():
        return {}
    state = json.loads(home.state.read_text(encoding="utf-8"))
    return {**state, "alive": _is_held(home.lock)}


def stop(home: Home) -> bool:
    """Tell the site's `join` to stop, and wait until it has; whether there was one."""
    state = state_of(home)
    if not state.get("alive"):
        return False
    os.kill(int(state["pid"]), signal.SIGTERM)
    deadline = time.monotonic() + 2 * _END_S
    while _is_held(home.lock) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    return True


def _wait_until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(_LOOK_S)


def _write_state(home: Home, state: str, since: float | None = None, **more: Any) -> float:
    """Keep where the site stands, and since when: now, unless that is said; when that is."""
    since = since or time.time()
    beside = home.state.with_suffix(".part")
    beside.write_text(json.dumps({"state": state, "pid": os.getpid(), "time": since, **more}), encoding="utf-8")
    beside.replace(home.state)
    return since


def _is_held(lock: Path) -> bool:
    """Whether a running `join` holds it; the lock goes with the process, however that ends."""
    if not lock.is_file():
        return False
    with lock.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _interrupt(number: int, frame: Any) -> None:
    del number, frame
    raise KeyboardInterrupt
