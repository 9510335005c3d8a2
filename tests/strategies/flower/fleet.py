"""A coordinator's fleet address over real TLS, which can stall, answer, and refuse; and Flower's client for it."""

import datetime
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from flwr.proto.fleet_pb2 import ActivateNodeResponse
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatResponse

from server.network.certificates import Tls, issue_server_certificate, make_authority

ANSWERS = {
    "activate-node": ActivateNodeResponse(node_id=7).SerializeToString(),
    "send-node-heartbeat": SendNodeHeartbeatResponse(success=True).SerializeToString(),
}


def tls_in(folder: Path) -> Tls:
    """An authority and a certificate of its own for this machine."""
    tls, now = Tls(folder / "tls"), datetime.datetime.now(datetime.UTC)
    make_authority(tls, "test", now)
    issue_server_certificate(tls, ["localhost"], now)
    return tls


class Fleet:
    """Listens from the first moment, so that connections are taken; answers from `answer` on, until `stop`."""

    def __init__(self, folder: Path, status: Callable[[str], int] = lambda request: 200) -> None:
        """`status` gives the HTTP status for a request such as `pull-messages`."""
        self.tls, self.asked = tls_in(folder), []
        fleet = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                request = self.path.rpartition("/")[2]
                fleet.asked.append(request)
                content = ANSWERS.get(request, b"")
                self.send_response(status(request))
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.tls.certificate, self.tls.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"localhost:{self.server.server_port}"

    def answer(self) -> None:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
