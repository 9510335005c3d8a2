"""A real SuperLink behind a gateway, with the clients that knock: Flower's own, and raw connections that are not."""

import dataclasses
import http.client
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httpx
import psutil
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.proto.fleet_pb2 import ActivateNodeRequest, DeactivateNodeRequest, PullMessagesRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor
from google.protobuf.message import Message

from client.node.keys import make_node_key
from modalities.core.console import logged
from server.coordinator.commands import _gate
from server.coordinator.flower import register_enrolled, superlink
from server.coordinator.folder import enrol_site, init_study, write_gateway
from tests.deployment.machine import Machine, wait_until
from tests.deployment.ports import is_open

OTHER_ADDRESS = "127.0.0.2"
"""Where attackers come from: the gateway's limits are for each address."""


class Door:
    """A study with enrolled sites, a SuperLink, nginx in front of it and the built-in gateway beside that."""

    def __init__(self, folder: Path, sites: Iterable[str]) -> None:
        self.machine = Machine(folder)
        self.study = init_study(self.machine.study.folder, ["localhost"])
        self.nginx, self.direct, self.builtin = self.machine.ports[:3]
        lines = f"public_port: {self.nginx}\nsuperlink_port: {self.direct}\n"
        self.study.settings_file.write_text(lines)
        write_gateway(self.study)
        for site in sites:
            self.make_key(site)
            enrol_site(self.study, site, folder / f"{site}.pub")
        self.signed: set[str] = set()
        """Every signature that went out."""
        self.asked: dict[str, Message] = {}
        """What Flower's clients last asked of each route."""
        self.nodes: dict[str, int] = {}
        self.process: psutil.Process

    @contextmanager
    def open(self) -> Iterator["Door"]:
        try:
            self.study.flower.mkdir(parents=True, exist_ok=True)
            with logged("start", self.study.superlink_log), superlink(self.study) as process:
                self.process = psutil.Process(process.pid)
                self.nodes = {site: node_id for node_id, site in register_enrolled(self.study).items()}
                self.machine.start_gateway()
                with _gate(self.study, dataclasses.replace(self.study.settings(), public_port=self.builtin)):
                    wait_until(lambda: is_open(self.builtin), 20, "the built-in gateway listens")
                    yield self
        finally:
            self.machine.end_all()

    def make_key(self, site: str) -> None:
        folder = self.machine.folder
        make_node_key(folder / f"{site}.key", folder / f"{site}.pub", site)

    def client(self, site: str, port: int, authority: Path | None = None) -> FleetHttpClient:
        """Flower's client, as a SuperNode has it."""
        key = self.key(site)
        return FleetHttpClient.from_server_address(
            f"localhost:{port}",
            False,
            (authority or self.study.tls.authority).read_bytes(),
            [NodeAuthHttpInterceptor(key, key.public_key()), self],
        )

    @contextmanager
    def online(self, site: str, port: int, authority: Path | None = None) -> Iterator[FleetHttpClient]:
        """A client whose node is there, as a SuperNode's is, for as long as the block."""
        public = public_key_to_bytes(self.key(site).public_key())
        with self.client(site, port, authority) as client:
            node_id = client.ActivateNode(ActivateNodeRequest(public_key=public, heartbeat_interval=600)).node_id
            try:
                yield client
            finally:
                with suppress(httpx.HTTPError):  # as Flower's own: it may be gone already, or the gateway busy
                    client.DeactivateNode(DeactivateNodeRequest(node_id=node_id))

    def come_and_go(self, site: str, port: int, authority: Path | None = None) -> None:
        with self.online(site, port, authority):
            pass

    def poll(self, client: FleetHttpClient, site: str) -> list:
        """What a SuperNode asks again and again: the messages for it."""
        return list(client.PullMessages(PullMessagesRequest(node=Node(node_id=self.nodes[site]))).messages_list)

    def reached(self, word: str = "") -> int:
        """How many requests with this word the SuperLink's log has; Flower leaves out routine ones that succeeded."""
        lines = self.log().splitlines()
        return sum("[uvicorn.access]" in line and word in line for line in lines)

    def log(self) -> str:
        """The SuperLink's log, once nothing more comes: its lines pass through another process."""
        before = None
        while before != (now := self.study.superlink_log.read_text(encoding="utf-8")):
            before = now
            time.sleep(0.5)
        return now

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.study.tls.authority))

    def tls(self, port: int, source: str = "127.0.0.1") -> ssl.SSLSocket:
        """A bare TLS connection."""
        return self.context().wrap_socket(tcp(port, source), server_hostname="localhost")

    def key(self, site: str) -> EllipticCurvePrivateKey:
        return cast(
            EllipticCurvePrivateKey, load_ssh_private_key((self.machine.folder / f"{site}.key").read_bytes(), None)
        )

    def intercept(self, context, call_next):
        """Flower's clients pass every request through here, after they signed it."""
        self.signed |= {value for name, value in context.request.headers.items() if "signature" in name.lower()}
        self.asked[context.request.url.path] = context.message
        return call_next(context)


class Asker(http.client.HTTPSConnection):
    """Sends a request line as it is given, on one TLS connection that is opened anew where it was closed."""

    def __init__(self, door: Door, port: int) -> None:
        super().__init__("localhost", port, context=door.context(), timeout=20)

    def _validate_path(self, url: str) -> None:
        """Whatever it is."""

    def ask(self, method: str, target: str, version: str = "HTTP/1.1", **headers: str) -> tuple[int, bytes]:
        """Status and body; 0 where the connection was closed without an answer."""
        for _ in range(2):  # a gateway may close after it answered, without saying so
            try:
                return self._asked(method, target, version, headers)
            except (http.client.RemoteDisconnected, ConnectionResetError):
                self.close()
        return 0, b""

    def _asked(self, method: str, target: str, version: str, headers: dict[str, str]) -> tuple[int, bytes]:
        self._http_vsn_str = version
        self.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": "localhost", "Content-Length": "0", **headers}.items():
            self.putheader(name, value)
        self.endheaders()
        answer = self.getresponse()
        return answer.status, answer.read()


def is_cut_off(connection: socket.socket) -> bool:
    """Whether the other side has closed it."""
    connection.settimeout(1)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def tcp(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))


def answers_to(connection: socket.socket, request: bytes) -> list[int]:
    """The statuses of everything that comes back until the other side closes, or is silent for two seconds."""
    connection.sendall(request)
    connection.settimeout(2)
    got = b""
    with connection, suppress(OSError):
        while piece := connection.recv(65536):
            got += piece
    return [int(line.split()[1]) for line in got.split(b"\r\n") if line.startswith(b"HTTP/1.")]


def pour(connection: socket.socket, head: bytes, n_bytes: int, framing: str) -> int:
    """Send a body of so many bytes, by its length or in chunks; how many of them the other side took."""
    piece = bytes(2**20) if framing == "length" else b"100000\r\n" + bytes(2**20) + b"\r\n"
    sent = 0
    with connection, suppress(OSError):
        connection.sendall(head)
        while sent < n_bytes:
            connection.sendall(piece)
            sent += 2**20
    return sent


def disguises(path: str, port: int) -> list[str]:
    """Ways to write a path that a gateway and the server behind it might read differently."""
    assert urlsplit(path).path == path
    inside, up = "/v1/fleet/pull-messages", "../../.."
    return [
        f"{path}/",
        f"{path}%0a",
        f"{path}%00",
        f"{path}?a=1",
        f"{path};a=1",
        f"{path}#{inside}",
        f"/{path}",
        path.replace("/", "//"),
        f"/.{path}",
        f"{inside}/{up}{path}",
        f"{inside}/{up.replace('.', '%2e')}{path}",
        f"{inside}%2f{up.replace('/', '%2f')}{path}",
        f"{inside}\\..\\..\\..{path}",
        path.upper(),
        f"{path[:-1]}%{ord(path[-1]):02x}",
        path.replace("/", "%2f"),
        f"https://localhost:{port}{path}",
        f"https://localhost:{port}{inside}/{up}{path}",
    ]
