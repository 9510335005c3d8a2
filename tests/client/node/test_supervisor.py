"""Joining: one `join` a site, told apart from whatever process has its number after a crash; and what is missing."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from client.cli import app
from client.node import supervisor
from client.node.approval import approve
from client.node.connection import MEANINGS, Connection, Reason, State
from client.node.home import Home
from client.node.supervisor import Node, keep_joined, state_of, stop
from modalities.core.settings.site import CoordinatorConfig, SiteConfig


@pytest.fixture
def home(tmp_path):
    """A site whose last `join` left a state behind that names this very process."""
    home = Home(tmp_path)
    home.flower.mkdir(parents=True)
    home.lock.touch()
    home.state.write_text(json.dumps({"state": "running", "pid": os.getpid(), "time": 0.0}))
    return home


def test_a_number_that_another_program_has_now_is_not_taken_for_the_site(home):
    assert state_of(home)["alive"] is False
    assert stop(home) is False  # else this test would have ended itself
    found = CliRunner().invoke(app, ["status", str(home.site)])
    assert found.exit_code == 1
    assert found.output.startswith("stopped since 1970-01-01")


def test_a_second_join_of_a_site_is_refused(home):
    node = Node(home, SiteConfig("a", coordinator=CoordinatorConfig("localhost:1")))
    with home.lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert state_of(home)["alive"] is True
        with pytest.raises(ValueError, match=rf"this site takes part already \(process {os.getpid()}\)"):
            keep_joined(node, print, print)


def test_a_join_that_begins_while_somebody_looks_whether_there_is_one_is_not_refused(home, monkeypatch):
    node = Node(home, SiteConfig("a", coordinator=CoordinatorConfig("localhost:1")))
    began, before = threading.Event(), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(supervisor, "_keep_running", lambda *given: began.set())
    with home.lock.open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        ends = threading.Timer(0.2, lambda: fcntl.flock(looking, fcntl.LOCK_UN))
        ends.start()
        keep_joined(node, print, print)
        ends.join()
    signal.signal(signal.SIGTERM, before)
    assert began.is_set()


def test_join_names_all_that_is_missing_and_refuses_a_key_that_others_can_read(tmp_path):
    (tmp_path / "site.yaml").write_text("name: a\n")
    found = CliRunner().invoke(app, ["join", str(tmp_path)])
    assert found.exit_code == 1
    for part in (
        "name the coordinator's gateway",
        "put the coordinator's ca.crt there",
        "no node key",
        "no code is approved yet",
        "the settings that this site agreed to are not named",
    ):
        assert part in found.output.replace("\n", " ")
    made = CliRunner().invoke(app, ["init", str(tmp_path / "b"), "--name", "b", "--address", "localhost:1"])
    assert made.exit_code == 0
    (tmp_path / "b" / "ca.crt").touch()
    (tmp_path / "b" / "federation.yaml").write_text("modalities: {cnv: {features: [A]}}\n")
    settings = tmp_path / "b" / "site.yaml"  # without masks, so that it needs no roster of other sites
    settings.write_text(settings.read_text().replace("require_masking: true", "require_masking: false"))
    approve(Home(tmp_path / "b"), 64 * "0", "typed", {})
    Home(tmp_path / "b").key.chmod(0o644)
    found = CliRunner().invoke(app, ["join", str(tmp_path / "b")])
    assert found.exit_code == 1
    assert "others can read this key (mode 644); run: chmod 600" in found.output.replace("\n", " ")


class Short(Node):
    """A node whose two programs, instead of Flower's, wait for so many seconds each and then end."""

    forking_s, supernode_s = 30.0, 30.0

    @contextmanager
    def program(self, *command):
        is_forking = command[0] == "client.node.fork_server"
        if is_forking:
            Path(command[1]).touch()  # its socket: it is ready
        seconds = self.forking_s if is_forking else self.supernode_s
        with subprocess.Popen([sys.executable, "-S", "-c", f"import time; time.sleep({seconds})"]) as process:
            yield process
            process.kill()


def why_it_ended(home, monkeypatch, **seconds):
    """What is said of one life of a node."""
    node = Short(home, SiteConfig("a", coordinator=CoordinatorConfig("localhost:1")))
    for name, own in seconds.items():
        object.__setattr__(node, name, own)
    monkeypatch.setattr(supervisor, "_SILENT_S", 1.5)
    return supervisor._run_once(node, home.folder / "workers", supervisor._Teller(home, print, print))


@pytest.mark.parametrize("ended", ["supernode_s", "forking_s"])
def test_a_program_that_ended_is_not_taken_for_a_connection_that_went_silent(home, monkeypatch, ended):
    assert why_it_ended(home, monkeypatch, **{ended: 0.0}) == f"the SuperNode ended; {home.log} says more"


def test_a_supernode_that_runs_on_without_a_heartbeat_is_ended_as_silent(home, monkeypatch):
    assert why_it_ended(home, monkeypatch) == MEANINGS[Reason.SILENT]


def paused(home, monkeypatch, *lives_s):
    """The pauses after lives of so many seconds each, the last of which somebody stops."""
    now, pauses, left = [0.0], [], list(lives_s)

    def live(node, socket, teller):
        if not left:
            raise KeyboardInterrupt
        now[0] += left.pop(0)
        return "the SuperNode ended"

    monkeypatch.setattr(supervisor, "_run_once", live)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", pauses.append)
    keep_joined(Node(home, SiteConfig("a", coordinator=CoordinatorConfig("localhost:1"))), print, print)
    monkeypatch.undo()
    assert state_of(home)["state"] == "stopped"
    return pauses


def test_pauses_double_up_to_a_minute_and_are_short_again_after_two_minutes_of_connection(home, monkeypatch):
    assert paused(home, monkeypatch, *[3.0] * 7) == [2, 4, 8, 16, 32, 60, 60]
    assert paused(home, monkeypatch, 3.0, 3.0, 120.0, 120.5, 3.0) == [2, 4, 8, 2, 4]


def test_what_a_site_complains_of_is_said_once_however_long_it_stands(home):
    said, complained = [], []
    teller = supervisor._Teller(home, said.append, complained.append)
    for complaints in (["no cases.csv"], ["no cases.csv"], ["no cases.csv", "no key"], ["no key"]):
        teller.tell(Connection(State.CONNECTED, since=7.0), complaints)
    assert said == ["connected"]
    assert complained == ["no cases.csv", "no key"]
