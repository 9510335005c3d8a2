"""How a site's connection stands is written as data, by the kinds of what happened, never by its words."""

import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from client.node import supervisor
from client.node.connection import MEANINGS, ConnectionWriter, Reason, State, read_connection, reason_of
from client.node.home import Home
from client.node.keys import make_node_key
from client.node.supervisor import Node, _run_once, _Teller
from modalities.core.settings.site import CoordinatorConfig, SiteConfig
from strategies.flower.processes import wait_until
from tests.strategies.flower.fleet import Fleet


def behind(error, cause):
    error.__cause__ = cause
    return error


def refused(code):
    return httpx.HTTPStatusError("", request=httpx.Request("POST", "https://x"), response=httpx.Response(code))


def untrusted(code):
    """As OpenSSL says it."""
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("request_", "error", "reason"),
    [
        ("pull-messages", behind(httpx.ConnectError("x"), untrusted(9)), Reason.NOT_VALID_NOW),
        ("pull-messages", behind(httpx.ConnectError("x"), untrusted(10)), Reason.NOT_VALID_NOW),
        ("pull-messages", behind(httpx.ConnectError("x"), untrusted(20)), Reason.CERTIFICATE),
        ("pull-messages", behind(httpx.ConnectError("x"), socket.gaierror()), Reason.UNKNOWN_NAME),
        ("activate-node", behind(httpx.ConnectError("x"), ConnectionRefusedError()), Reason.NOTHING_LISTENS),
        ("activate-node", httpx.ConnectTimeout("certificate"), Reason.NO_ANSWER),
        ("activate-node", httpx.ReadError("x"), Reason.NETWORK),
        ("activate-node", behind(httpx.ConnectError("x"), ssl.SSLEOFError()), Reason.NETWORK),
        ("activate-node", behind(httpx.ConnectError("x"), ssl.SSLError()), Reason.NO_TLS),
        ("activate-node", refused(412), Reason.NOT_TAKEN),
        ("pull-messages", refused(412), None),
        ("pull-messages", refused(401), Reason.NO_LONGER_TAKEN),
        ("pull-messages", refused(403), None),
        ("pull-messages", refused(503), Reason.COORDINATOR_AWAY),
    ],
)
def test_the_reason_is_told_by_the_kind_of_the_error(request_, error, reason):
    assert reason_of(request_, error) == reason


def test_every_reason_has_a_meaning():
    assert set(MEANINGS) == set(Reason)


def test_a_connection_is_lost_only_where_it_was_and_contact_is_what_the_coordinator_counts(tmp_path):
    home = Home(tmp_path)
    assert read_connection(home) is None
    writer = ConnectionWriter(home)
    writer.failed("activate-node", httpx.ReadTimeout("x"))
    connection = read_connection(home)
    assert (connection.state, connection.reason, connection.last_contact) == (
        State.CONNECTING,
        Reason.NO_ANSWER,
        None,
    )
    writer.answered("activate-node")
    connected = read_connection(home)
    assert (connected.state, connected.reason) == (State.CONNECTED, None)
    assert 0 <= time.time() - connected.last_contact < 5
    writer.asked("train.branches")
    writer.failed("pull-messages", httpx.ReadTimeout("x"))
    lost = read_connection(home)
    assert (lost.state, lost.reason, lost.request) == (State.LOST, Reason.NO_ANSWER, "train.branches")
    writer.answered("pull-messages")  # its server may have given the site up all the same
    again = read_connection(home)
    assert (again.state, again.last_contact) == (State.CONNECTED, connected.last_contact)
    writer.failed("pull-messages", refused(401))
    writer.answered("deactivate-node")
    assert read_connection(home).state is State.REFUSED


def test_a_certificate_that_has_ended_is_the_reason_whatever_an_older_connection_still_answers(tmp_path):
    writer = ConnectionWriter(Home(tmp_path))
    writer.answered("activate-node")
    writer.failed("push-object", behind(httpx.ConnectError("x"), untrusted(10)))
    writer.answered("pull-messages")
    writer.asked("train.branches")
    assert read_connection(Home(tmp_path)).reason is Reason.NOT_VALID_NOW


def test_a_disk_that_is_full_does_not_end_a_connection(tmp_path, monkeypatch):
    writer = ConnectionWriter(Home(tmp_path))

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("client.node.connection.write_json", full)
    writer.answered("activate-node")
    monkeypatch.undo()
    writer.asked("train.branches")
    assert read_connection(Home(tmp_path)).state is State.CONNECTED


def site_at(folder, address, port):
    """A site folder as `init` makes it, and its node."""
    home = Home(folder)
    home.flower.mkdir(parents=True)
    make_node_key(home.key, home.public_key, "a")
    return Node(home, SiteConfig("a", coordinator=CoordinatorConfig(address, local_port=port)))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def supernode(node):
    command = [sys.executable, "-P", "-m", *node.command()]
    return subprocess.Popen(command, env=node.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_a_supernode_whose_flower_gives_up_ends_and_says_so(tmp_path):
    fleet = Fleet(tmp_path, status=lambda request: 404 if request == "pull-messages" else 200)
    fleet.answer()
    node = site_at(tmp_path / "a", fleet.address, free_port())
    (tmp_path / "a" / "ca.crt").write_bytes(fleet.tls.authority.read_bytes())
    process = supernode(node)
    try:
        assert wait_until(lambda: process.poll() is not None, 40)  # it lived on without a word
        assert process.returncode != 0
        assert fleet.asked[0] == "activate-node"
        assert read_connection(node.home).last_contact is not None
    finally:
        process.kill()
        process.wait()
        fleet.stop()


def test_a_port_that_another_program_uses_is_told_at_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as held:
        node = site_at(tmp_path, "localhost:1", held.getsockname()[1])
        assert supernode(node).wait(20) == 1
    assert read_connection(node.home).reason is Reason.PORT_IN_USE


class Mute(Node):
    """A SuperNode that lives and says nothing, beside something that answers for the server of its tasks."""

    def program(self, *command):
        Path(command[1]).touch()
        return super().program("http.server", "0", "--bind", "127.0.0.1")


def test_a_supernode_that_is_silent_is_ended_so_that_another_takes_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_SILENT_S", 1.0)
    node = site_at(tmp_path, "localhost:1", free_port())
    told = _run_once(Mute(node.home, node.config), tmp_path / "socket", _Teller(node.home, print, print))
    assert told == MEANINGS[Reason.SILENT]


def test_what_a_person_is_told_changes_with_the_connection_and_is_not_repeated(tmp_path, monkeypatch):
    said = []
    home = Home(tmp_path)
    writer, teller = ConnectionWriter(home), _Teller(home, said.append, said.append)

    def tell():
        teller.tell(read_connection(home), [])
        return supervisor.state_of(home)["state"]

    assert (tell(), said) == ("connecting", [])
    writer.failed("activate-node", behind(httpx.ConnectError("x"), ConnectionRefusedError()))
    assert (tell(), tell()) == ("connecting", "connecting")
    assert said == [f"not connected: {MEANINGS[Reason.NOTHING_LISTENS]}"]
    writer.answered("activate-node")
    writer.failed("pull-messages", httpx.ReadTimeout("x"))
    assert tell() == "lost"
    writer.answered("pull-messages")
    assert tell() == "connected"
    assert said[1:] == ["connected"]  # a moment's loss is not worth a word
    monkeypatch.setattr(supervisor, "_BLINK_S", 0.0)
    writer.failed("pull-messages", httpx.ReadTimeout("x"))
    tell()
    assert said[2:] == [f"not connected: {MEANINGS[Reason.NO_ANSWER]}"]
    assert supervisor.state_of(home)["meaning"] == MEANINGS[Reason.NO_ANSWER]
