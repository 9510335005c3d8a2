"""Gateways, proxies and certificates of every sort, on this machine."""

import datetime
import ssl
import threading
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_WR, create_connection
from socketserver import BaseRequestHandler, ThreadingTCPServer
from time import time

from server.network.certificates import Tls, issue_server_certificate, make_authority
from server.network.gateway import FLEET_ROUTES

NOW = datetime.datetime.now(datetime.UTC)


def certificates(folder, names=("localhost",), issued=NOW):
    """An authority that is ten years old at most, and a server's certificate of that day."""
    made = Tls(folder / "tls")
    make_authority(made, "study", min(NOW, issued))
    issue_server_certificate(made, names, issued)
    return made


class Gateway(BaseHTTPRequestHandler):
    """Answers as the gateway does in front of a SuperLink: 415 for an empty request, 404 for all but its routes."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.answer(self.server.fleet if self.path in FLEET_ROUTES else 404)

    def do_GET(self):
        self.answer(self.server.root)

    def answer(self, status):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.received.append((self.requestline, dict(self.headers), body))
        self.send_response_only(status)
        self.send_header("date", formatdate(time() + self.server.ahead, usegmt=True))
        self.send_header("content-length", "0")
        self.end_headers()


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class Quiet(ThreadingHTTPServer):
    """A client that breaks off is part of the tests."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


@contextmanager
def gateway(tls, fleet=415, root=404, ahead=0.0):
    """A server with this certificate; `ahead` is how far its clock is before ours."""
    server = Quiet(("127.0.0.1", 0), Gateway)
    server.fleet, server.root, server.ahead, server.received = fleet, root, ahead, []
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        server.address = f"localhost:{server.server_address[1]}"
        yield server


class Tunnel(BaseRequestHandler):
    """A proxy that knows CONNECT alone: as many bytes as come, in both directions."""

    def handle(self):
        request = b""
        while b"\r\n\r\n" not in request:
            request += self.request.recv(4096)
        self.server.asked.append(request.decode("latin-1"))
        if self.server.answer != "200 OK":
            self.request.sendall(f"HTTP/1.1 {self.server.answer}\r\ncontent-length: 0\r\n\r\n".encode())
            return
        host, _, port = request.split()[1].decode().rpartition(":")
        with create_connection((host, int(port)), 5) as beyond:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pour, args=(beyond, self.request), daemon=True)
            back.start()
            pour(self.request, beyond)
            with suppress(OSError):  # the other side has closed it already
                beyond.shutdown(SHUT_WR)
            back.join(5)


def pour(source, target):
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)


@contextmanager
def proxy(monkeypatch, answer="200 OK", login="", variable="HTTPS_PROXY"):
    class Proxy(ThreadingTCPServer):
        daemon_threads, allow_reuse_address = True, True

        def handle_error(self, request, client_address):
            pass

    server = Proxy(("127.0.0.1", 0), Tunnel)
    server.answer, server.asked = answer, []
    server.name = f"127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv(variable, f"http://{login}{server.name}")
    with serving(server):
        yield server
