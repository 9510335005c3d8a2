"""Keeps a site's SuperNode running: started again when it ends, with growing pauses, until somebody stops it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.home import Home
from modalities.core.site_config import SiteConfig

QUIET = {
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.2",
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
"""Nothing is installed, looked up or reported at run time; and work that comes in is taken up at once."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 60.0
_STEADY_S = 120.0
"""After that long a connection, the next pause is a short one again."""
_END_S, _LOOK_S = 20.0, 0.3

_MEANINGS: Mapping[str, str] = {
    "CERTIFICATE_VERIFY_FAILED": "the server's certificate is not of this study's authority, or has ended; compare "
    "coordinator.authority in site.yaml with the coordinator's ca.crt",
    "Failed to activate SuperNode": "the coordinator does not take this site's key: it is not enrolled, or the last "
    "connection with it is still held, here or on another machine, which passes within a minute; if this stays, send "
    "node.pub to the coordinator",
    # So it ends when the server answers 401; when this site stops it, nobody looks for a meaning.
    "SuperNode terminated gracefully": "the coordinator does not take this site's key any more: it was revoked, or "
    "this machine's clock is wrong; check the clock, and ask the coordinator",
    "Connection refused": "nothing listens there; the coordinator may be restarting",
    "Name or service not known": "no such server name; check coordinator.address in site.yaml",
    "address already in use": "another program uses port {port} of this machine; set coordinator.local_port in "
    "site.yaml",
}


@dataclass(frozen=True)
class Node:
    """The SuperNode of one site."""

    home: Home
    config: SiteConfig

    def command(self) -> list[str]:
        """Flower's program with this site's address, authority, key and folder."""
        own = self.config.coordinator
        return [
            str(Path(sys.executable).parent / "flower-supernode"),
            *("--superlink", own.address, "--root-certificates", str((self.home.site / own.authority).resolve())),
            *("--auth-supernode-private-key", str(self.home.key.resolve()), "--port", str(own.local_port)),
            *("--node-config", f'site="{self.home.site.resolve()}"'),
        ]

    def environment(self) -> dict[str, str]:
        """With Flower's own folder inside the site's."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**os.environ, **QUIET, "PATH": path, "FLWR_HOME": str(self.home.flower.resolve())}


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
        while True:
            started, at = time.monotonic(), _size(node.home.log)
            code = _run_once(node)
            meaning = _meaning(node, at)
            pause = _FIRST_PAUSE_S if time.monotonic() - started > _STEADY_S else pause
            if meaning != told:
                say(f"not connected: {meaning}")
                told = meaning
            _write_state(node.home, "waiting", code=code, meaning=meaning)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
    except KeyboardInterrupt:
        say("stopped")
    finally:
        _write_state(node.home, "stopped")


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


def _run_once(node: Node) -> int:
    """One life of the SuperNode: its exit code."""
    with node.home.log.open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            node.command(), env=node.environment(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    _write_state(node.home, "running")
    try:
        return process.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(_END_S)


def _meaning(node: Node, since: int) -> str:
    """Why it ended, in plain words where they are known."""
    with node.home.log.open("rb") as log:
        log.seek(since)
        said = log.read().decode("utf-8", "replace")
    port = node.config.coordinator.local_port
    found = next((text.format(port=port) for mark, text in _MEANINGS.items() if mark in said), "")
    return found or f"the SuperNode ended; {node.home.log} says more"


def _write_state(home: Home, state: str, **more: Any) -> None:
    beside = home.state.with_suffix(".part")
    beside.write_text(json.dumps({"state": state, "pid": os.getpid(), "time": time.time(), **more}), encoding="utf-8")
    beside.replace(home.state)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


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
