"""What of the SuperLink the outside may reach: the fleet routes alone, over TLS.

Flower serves its control and runtime routes on the same port, to anybody who reaches it. So the SuperLink listens on
loopback, and a gateway in front of it passes these exact paths and nothing else. It never answers 401 (a SuperNode
would stop) or 403 (it would drop its reply): whatever is over a limit gets 503, which is retried.
"""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from string import Template
from typing import Any

import httpx

from server.network.certificates import Tls

FLEET_ROUTES = tuple(
    f"/v1/fleet/{name}"
    for name in (
        "activate-node",
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        "push-messages",
        "get-run",
        "get-fab",
        "push-object",
        "pull-object",
        "confirm-message-received",
    )
)
"""What a SuperNode with a registered key needs; registering is the coordinator's, so its route stays inside."""

MOST_BYTES = 8 * 2**20
"""Objects travel in pieces of 5 MiB."""
_CONNECT_S, _ANSWER_S = 10.0, 60.0

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def nginx_configuration(
    tls: Tls, public_port: int, superlink_port: int, log: Path, *, log_json: bool = False, to_syslog: bool = False
) -> str:
    """A whole nginx.conf: only the fleet routes, bounded bodies and times, re-encrypted to the SuperLink.

    Its own files, and its logs unless they go to syslog, lie in the folder `log`.
    Exact `location =` blocks: a pattern that ends in $ also matches a path with a line feed behind it.
    """
    routes = "\n".join(f"        location = {route} {{ proxy_pass https://superlink; }}" for route in FLEET_ROUTES)
    values = {
        "routes": routes,
        "public": public_port,
        "listen6": f"        listen [::]:{public_port} ssl;\n" if socket.has_dualstack_ipv6() else "",
        "superlink": superlink_port,
        "certificate": _quoted(tls.certificate.resolve()),
        "key": _quoted(tls.key.resolve()),
        "authority": _quoted(tls.authority.resolve()),
        "most": f"{MOST_BYTES // 2**20}m",
        **{f"{name}_files": _quoted(log.resolve() / f"nginx-{name}") for name in _TEMPORARY},
        "pid": _quoted(log.resolve() / "nginx.pid"),
        "errors": _SYSLOG if to_syslog else _quoted(log.resolve() / "nginx-error.log"),
        "requests": _SYSLOG if to_syslog else _quoted(log.resolve() / "nginx-access.log"),
        "format": f"escape=json '{_JSON_LINE}'" if log_json else f"'{_TEXT_LINE}'",
        "routine": "|".join(_ROUTINE),
    }
    return Template(_NGINX).substitute(values)


def _quoted(path: Path) -> str:
    """As one word of nginx's, whatever is in it."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def listening(port: int) -> socket.socket:
    """A socket that takes IPv4 and, where this machine has it, IPv6.

    Raises:
        RuntimeError: the port cannot be had.
    """
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("0.0.0.0", port))
    except OSError as error:
        raise RuntimeError(
            f"public_port {port} of coordinator.yaml cannot be opened ({error.strerror}): does another program use it?"
        ) from error


class FleetGate:
    """The same gateway inside Python (ASGI), for one machine, tests and a first try; nginx is for the internet."""

    def __init__(self, tls: Tls, superlink_port: int) -> None:
        """Forward to the SuperLink on loopback, whose certificate is checked."""
        self._base = f"https://localhost:{superlink_port}"
        self._context = ssl.create_default_context(cafile=str(tls.authority))
        self._client: httpx.AsyncClient | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connections to the SuperLink are kept open meanwhile."""
        timeout = httpx.Timeout(_ANSWER_S, connect=_CONNECT_S)
        async with httpx.AsyncClient(
            base_url=self._base, verify=self._context, timeout=timeout, trust_env=False
        ) as self._client:
            yield

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self.running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["method"] != "POST"
            or scope["raw_path"].decode("latin-1") not in FLEET_ROUTES
            or scope["query_string"]
        ):
            await _reply(send, 404)
            return
        body = await _body(receive)
        if body is None:
            await _reply(send, 413)
            return
        passed = [(name, value) for name, value in scope["headers"] if name not in _NOT_PASSED_IN]
        try:
            found = await self._forward(scope["path"], body, passed)
        except httpx.LocalProtocolError:  # headers that the server in front let pass and no client may send
            await _reply(send, 400)
            return
        except httpx.HTTPError:
            await _reply(send, 503)
            return
        headers = [(name, value) for name, value in found.headers.raw if name.lower() not in _NOT_PASSED_OUT]
        await _reply(send, found.status_code, found.content, headers)

    async def _forward(self, path: str, body: bytes, headers: list[tuple[bytes, bytes]]) -> httpx.Response:
        if self._client is None:
            raise httpx.ConnectError("the gateway has not started")
        return await self._client.post(path, content=body, headers=headers)


_FRAMING = (b"connection", b"content-length", b"transfer-encoding", b"keep-alive")
_NOT_PASSED_IN = (*_FRAMING, b"host", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto")
_NOT_PASSED_OUT = (*_FRAMING, b"content-encoding", b"server", b"date")
"""httpx has decoded the answer, and the server in front writes its own date."""


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where it is larger than any that Flower sends, or was broken off."""
    pieces, size = [], 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return None
        pieces.append(event.get("body", b""))
        size += len(pieces[-1])
        if size > MOST_BYTES:
            return None
        if not event.get("more_body"):
            return b"".join(pieces)


async def _reply(send: Send, status: int, body: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*(headers or []), length]})
    await send({"type": "http.response.body", "body": body})


_ROUTINE = ("pull-messages", "send-node-heartbeat", "push-object", "pull-object", "confirm-message-received")
"""What a site asks four times a second, and for each array of a model: in the log where it fails."""
_TEXT_LINE = "$time_iso8601 $level nginx: $remote_addr $request_method $uri $status $body_bytes_sent"
_JSON_LINE = (
    '{"time": "$time_iso8601", "level": "$level_in_json", "program": "nginx", "text": "$request_method $shown_uri", '
    '"from": "$remote_addr", "status": $status, "bytes": $body_bytes_sent}'
)
_TEMPORARY = ("body", "proxy", "fastcgi", "uwsgi", "scgi")
_SYSLOG = "syslog:server=unix:/dev/log,facility=daemon,tag=tessera_gateway,nohostname"
_NGINX = """\
# Written by `tessera-server init` and `start`, from coordinator.yaml: what is changed here is lost.
# Only the routes that sites need reach the SuperLink; everything else is 404.
# Check it with `nginx -t -c THIS_FILE`, start it with `nginx -c THIS_FILE`, as root or as any user.
worker_processes auto;
worker_rlimit_nofile 8192;
pid $pid;
error_log $errors warn;
events { worker_connections 4096; }   # an idle connection costs one of these, and nothing of the SuperLink
http {
    # No header in the log: the signed ones are worth a site's identity for five minutes.
    map $$status $$level { default "INFO   "; "~^[45]" WARNING; }
    map $$status $$level_in_json { default info; "~^[45]" warning; }
    map $$request_uri $$shown_uri { default "(not in ASCII)"; "~^[!-~]+$$" $$request_uri; }   # JSON is UTF-8
    map "$$uri $$status" $$is_logged { default 1; "~^/v1/fleet/($routine) 2" 0; }
    log_format line $format;
    access_log $requests line if=$$is_logged;
    server_tokens off;
    # Bodies stay in memory: no update lies on this disk, and a worker, which is `nobody` where root starts nginx,
    # needs no folder.
    client_body_buffer_size $most;
    client_max_body_size $most;
    proxy_max_temp_file_size 0;
    client_body_temp_path $body_files;
    proxy_temp_path $proxy_files;
    fastcgi_temp_path $fastcgi_files;
    uwsgi_temp_path $uwsgi_files;
    scgi_temp_path $scgi_files;
    client_header_timeout 10s;
    client_body_timeout 20s;
    send_timeout 60s;
    keepalive_timeout 15s;
    lingering_close off;   # the rest of a refused body is not read
    lingering_time 0;
    reset_timedout_connection on;
    # A SuperNode has at most six requests under way (two pushes, two pulls, a poll, a heartbeat): 32 are five sites
    # behind one address, and 256 MiB of bodies. It polls 4 times a second, and asks once for each array of a model: up
    # to 500 requests pass at once, then 100 a second. What is beyond that waits; an honest site is never refused.
    limit_conn_zone $$binary_remote_addr zone=per_address:10m;
    limit_req_zone $$binary_remote_addr zone=requests:10m rate=100r/s;
    limit_conn_status 503;   # 503 is retried by a SuperNode; 429 is not
    limit_req_status 503;
    upstream superlink { server 127.0.0.1:$superlink; keepalive 16; }
    server {
        listen $public ssl;
$listen6        ssl_certificate $certificate;
        ssl_certificate_key $key;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;
        ssl_session_cache shared:tls:2m;
        limit_conn per_address 32;
        limit_req zone=requests burst=1000 delay=500;
        # nginx compares a path after decoding it, and passes it on as it came: so only one that needs no decoding.
        if ($$request_uri != $$uri) { return 404; }
        if ($$request_method != POST) { return 404; }
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host localhost;
        proxy_set_header X-Forwarded-For $$remote_addr;   # it stands in the SuperLink's log
        proxy_set_header X-Forwarded-Proto https;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate $authority;
        proxy_ssl_name localhost;
        proxy_ssl_server_name on;
        proxy_ssl_protocols TLSv1.2 TLSv1.3;
        proxy_connect_timeout 10s;
        proxy_read_timeout 60s;
        proxy_send_timeout 60s;
$routes
        location / { return 404; }
    }
}
"""
