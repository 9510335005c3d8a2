"""Keeps a site's SuperNode running: started again when it ends, with growing pauses, until somebody stops it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from client.node.approval import last_refused, refusal
from client.node.complaints import complaints_of
from client.node.connection import MEANINGS, Connection, Reason, State, read_connection
from client.node.home import Home
from client.node.programs import write_programs
from modalities.core import logs
from modalities.core.files.atomic import write_json
from modalities.core.keyfiles import private_file
from modalities.core.settings.site import SiteConfig
from strategies.flower.environment import FORKING, PROMPT, environment
from strategies.flower.processes import end, start, wait_until

Say = Callable[[str], None]
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 60.0
_STEADY_S = 120.0
"""After that long a connection, the next pause is a short one again."""
_SILENT_S = 120.0
"""Without a heartbeat that the coordinator took: its server has given the site up after 60 s, so nothing is lost."""
_BLINK_S = 5.0
"""Nobody is told of a connection that is back after that long."""
_END_S, _LOOK_S = 20.0, 0.3
_GLANCE_S = 1.0
"""Longer than `status` or a live page holds the lock to see whether somebody else does."""


@dataclass(frozen=True)
class Node:
    """The SuperNode of one site."""

    home: Home
    config: SiteConfig

    def command(self) -> list[str]:
        """Flower's SuperNode with this site's address, authority, key and folder."""
        own = self.config.coordinator
        return [
            *("client.node.supernode", str(self.home.site.resolve())),
            *("--superlink", own.address, "--root-certificates", str((self.home.site / own.authority).resolve())),
            *("--auth-supernode-private-key", str(private_file(self.home.key.resolve()))),
            *("--host", "127.0.0.1", "--port", str(own.local_port)),
            *("--node-config", f'site="{self.home.site.resolve()}"'),
        ]

    def environment(self) -> dict[str, str]:
        """With Flower's own folder inside the site's, and the site's programs before Flower's."""
        return environment(self.home.flower.resolve(), self.home.programs.resolve(), **PROMPT, **FORKING)

    @contextmanager
    def program(self, *command: str) -> Iterator[subprocess.Popen]:
        """A program of the node, with its output in the site's log; it ends with the block."""
        name = command[0].rpartition(".")[2].replace("_", "-")
        process = start((sys.executable, "-P", "-m", *command), self.environment(), logs.teller(name))
        try:
            yield process
        finally:
            end(process, _END_S)


def keep_joined(node: Node, say: Say, complain: Say) -> None:
    """Run the SuperNode until this process is told to stop (SIGTERM or Ctrl-C); then end it in an orderly way.

    `complain` is told what may name a case. Whatever ends the SuperNode otherwise (a restart of the server, a lost
    network, a crash) is followed by another start.

    Raises:
        ValueError: the site takes part already.
    """
    node.home.flower.mkdir(parents=True, exist_ok=True)
    with node.home.lock.open("w") as lock:
        if not wait_until(lambda: _takes(lock, fcntl.LOCK_EX), _GLANCE_S, _LOOK_S):
            process = state_of(node.home).get("pid")
            raise ValueError(f"{node.home.site}: this site takes part already (process {process})")
        signal.signal(signal.SIGTERM, _interrupt)
        _keep_running(node, _Teller(node.home, say, complain))


def _keep_running(node: Node, teller: "_Teller") -> None:
    pause = _FIRST_PAUSE_S
    try:
        with tempfile.TemporaryDirectory(prefix="tessera-") as folder:  # a socket's path must be short
            socket = Path(folder) / "workers"
            write_programs(node.home, str(socket))
            while True:
                started = time.monotonic()
                meaning = _run_once(node, socket, teller)
                pause = _FIRST_PAUSE_S if time.monotonic() - started > _STEADY_S else pause
                teller.not_connected(meaning)
                _write_state(node.home, "waiting", meaning=meaning)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
    except KeyboardInterrupt:
        teller.say("stopped")
    finally:
        _write_state(node.home, "stopped")


def _run_once(node: Node, socket: Path, teller: "_Teller") -> str:
    """One life of the SuperNode and of the server that forks its tasks: why it ended."""
    for left in (socket, node.home.connection, node.home.complaints):
        left.unlink(missing_ok=True)
    with node.program("client.node.fork_server", str(socket), str(node.home.site.resolve())) as forking:
        wait_until(lambda: socket.exists() or forking.poll() is not None)
        with node.program(*node.command()) as supernode:
            silence = _Silence()  # a busy machine takes its time over what comes before
            _write_state(node.home, State.CONNECTING)
            while supernode.poll() is None and forking.poll() is None:
                connection = read_connection(node.home)
                if connection is not None:
                    teller.tell(connection, complaints_of(node.home))
                if silence.lasts(connection):
                    break
                time.sleep(_LOOK_S)
            is_mute = supernode.poll() is None and forking.poll() is None
    connection = read_connection(node.home)
    if connection is not None and connection.reason is not None:
        return MEANINGS[connection.reason]
    return MEANINGS[Reason.SILENT] if is_mute else f"the SuperNode ended; {node.home.log} says more"


class _Silence:
    """How long no heartbeat was taken; by this process's own clock, since the machine's may be set."""

    def __init__(self) -> None:
        self._contact: float | None = None
        self._heard = time.monotonic()

    def lasts(self, connection: Connection | None) -> bool:
        """Whether it is too long."""
        if connection is not None and connection.last_contact != self._contact:
            self._contact, self._heard = connection.last_contact, time.monotonic()
        return time.monotonic() - self._heard > _SILENT_S


class _Teller:
    """Says what changes, and keeps it for `status`; nothing is said twice in a row."""

    def __init__(self, home: Home, say: Say, complain: Say) -> None:
        self._home, self.say, self._complain = home, say, complain
        self._told, self._shown = "", ()
        self._complaints: list[str] = []
        self._refused = last_refused(home)

    def tell(self, connection: Connection, complaints: Sequence[str]) -> None:
        """How the connection stands now, and why the site takes no part, in its own words."""
        meaning = MEANINGS[connection.reason] if connection.reason else ""
        shown = (connection.state, connection.since, meaning, connection.request, *complaints)
        if shown != self._shown:
            more = {"request": connection.request, "complaints": list(complaints), "meaning": meaning}
            _write_state(self._home, connection.state, connection.since, **more)
            self._shown = shown
        if connection.state is State.CONNECTED:
            self._tell_once("connected")
        elif meaning and time.time() - connection.since > (_BLINK_S if connection.state is State.LOST else 0):
            self.not_connected(meaning)
        for complaint in complaints:
            if complaint not in self._complaints:
                self._complaints.append(complaint)
                self._complain(complaint)
        if last_refused(self._home) not in ({}, self._refused):
            self._refused = last_refused(self._home)
            self.say(refusal(self._refused, self._home.site))

    def not_connected(self, meaning: str) -> None:
        """Why there is no connection; it is tried again."""
        self._tell_once(f"not connected: {meaning}")

    def _tell_once(self, text: str) -> None:
        if text != self._told:
            self.say(text)
            self._told = text


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
    wait_until(lambda: not _is_held(home.lock), 2 * _END_S)
    return True


def _write_state(home: Home, state: str, since: float | None = None, **more: Any) -> None:
    """Keep where the site stands, and since when: now, unless that is said. A full disk ends no connection."""
    with suppress(OSError):
        write_json(home.state, {"state": state, "pid": os.getpid(), "time": since or time.time(), **more})


def _is_held(lock: Path) -> bool:
    """Whether a running `join` holds it; the lock goes with the process, however that ends."""
    if not lock.is_file():
        return False
    with lock.open("r") as file:
        return not _takes(file, fcntl.LOCK_SH)


def _takes(lock: IO[str], kind: int) -> bool:
    """Whether the lock could be taken, until the file is closed."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _interrupt(number: int, frame: Any) -> None:
    del number, frame
    raise KeyboardInterrupt
