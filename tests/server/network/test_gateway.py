"""Only the fleet routes pass the gateway, whatever else the installed Flower serves."""

import asyncio
import datetime
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
import uvicorn

from server.network.certificates import Tls, issue_server_certificate, make_authority
from server.network.gateway import FLEET_ROUTES, MOST_BYTES, FleetGate, listening, nginx_configuration
from strategies.flower.processes import wait_until
from tests.deployment.machine import NGINX
from tests.deployment.ports import is_open
from tests.strategies.flower import routes


@pytest.fixture(scope="module")
def flowers_routes():
    return routes.flowers_routes()


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    tls = Tls(tmp_path_factory.mktemp("gateway") / "tls")
    now = datetime.datetime.now(datetime.UTC)
    make_authority(tls, "test", now)
    issue_server_certificate(tls, ["localhost"], now)
    return tls


async def echo(scope, receive, send):
    """Stands where the SuperLink does: says which path and headers came through, and how many bytes."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        event = await receive()
        body, more = body + event.get("body", b""), event.get("more_body", False)
    names = b",".join(sorted(name for name, _ in scope["headers"]))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-names", names)]})
    await send({"type": "http.response.body", "body": f"{scope['path']} {len(body)}".encode()})


@pytest.fixture(scope="module")
def gate(tls):
    """The address of a gate whose SuperLink is `echo`, over real TLS on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(
        echo,
        host="127.0.0.1",
        port=port,
        lifespan="off",
        ws="none",
        log_level="error",
        ssl_certfile=str(tls.certificate),
        ssl_keyfile=str(tls.key),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield FleetGate(tls, port)
    server.should_exit = True
    thread.join(10)


@contextmanager
def nginx(tls, superlink_port, folder, *, log_json):
    """A real one with our configuration, for as long as the block lasts; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = folder / "nginx.conf"
    file.write_text(nginx_configuration(tls, port, superlink_port, folder, log_json=log_json))
    process = subprocess.Popen([NGINX, "-c", str(file), "-g", "daemon off;"], stderr=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: is_open(port), 20, 0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def ask_all(gate, asked, content=b"", **headers):
    """Requests through the gate, which lives as long as they do."""

    async def talk():
        transport = httpx.ASGITransport(gate)
        async with gate.running(), httpx.AsyncClient(transport=transport, base_url="https://gate") as client:
            return [await client.request(method, path, content=content, headers=headers) for method, path in asked]

    return asyncio.run(talk())


def ask(gate, method, path, content=b"", **headers):
    return ask_all(gate, [(method, path)], content, **headers)[0]


def test_the_routes_are_flowers_own_and_registering_is_not_among_them(flowers_routes):
    assert set(FLEET_ROUTES) <= flowers_routes
    assert {route for route in flowers_routes if route.startswith("/v1/fleet/")} - set(FLEET_ROUTES) == {
        "/v1/fleet/register-node",
        "/v1/fleet/unregister-node",
    }


def test_a_fleet_route_passes_with_its_signature_and_body(gate):
    sent = {"x-flwr-signature": "abc", "x-forwarded-for": "1.2.3.4", "forwarded": "for=1.2.3.4"}
    found = ask(gate, "POST", FLEET_ROUTES[3], b"12345", **sent)
    assert (found.status_code, found.text) == (200, "/v1/fleet/pull-messages 5")
    assert "x-flwr-signature" in found.headers["x-names"].split(",")
    assert "forwarded" not in found.headers["x-names"]  # the SuperLink would log an address that anybody makes up
    assert "server" not in found.headers


def test_no_other_route_of_flower_passes(gate, flowers_routes):
    other = flowers_routes - set(FLEET_ROUTES)
    assert len(other) > 60
    asked = [("GET", path) for path in flowers_routes] + [("POST", path) for path in other]
    assert {found.status_code for found in ask_all(gate, asked)} == {404}


REFUSED = (
    "/v1/control/start-run",
    "/v1/fleet/register-node",
    "/docs",
    "/health",
    "/",
    "/v1/fleet/get-run%0a",
    "/v1/fleet/get-run/",
    "/v1/fleet/get-run?a=1",
    "/v1/fleet/../control/start-run",
    "//v1/fleet/get-run",
)


@pytest.mark.parametrize("path", REFUSED)
def test_anything_else_is_404(gate, path):
    assert ask(gate, "POST", path).status_code == 404
    assert ask(gate, "GET", FLEET_ROUTES[0]).status_code == 404


def test_a_body_larger_than_flowers_pieces_is_cut_off(gate):
    assert ask(gate, "POST", FLEET_ROUTES[0], b"0" * (MOST_BYTES + 1)).status_code == 413


def test_no_more_is_read_of_a_body_of_1_gib_than_of_one_that_is_a_little_too_large(gate):
    read = []

    async def gibibyte():
        for number in range(1024):
            read.append(number)
            yield bytes(2**20)

    assert ask(gate, "POST", FLEET_ROUTES[0], gibibyte()).status_code == 413
    assert len(read) == MOST_BYTES // 2**20 + 1


def test_a_header_that_cannot_be_passed_on_is_the_senders_fault(gate):
    """A SuperNode tries 503 again: nothing is wrong with the SuperLink."""
    assert ask(gate, "POST", FLEET_ROUTES[0], **{"a b": "c"}).status_code == 400


def test_a_superlink_that_is_away_is_503_which_a_supernode_tries_again(tls):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert ask(FleetGate(tls, closed.getsockname()[1]), "POST", FLEET_ROUTES[0]).status_code == 503


def test_the_nginx_configuration_has_an_exact_block_for_each_route_and_404_for_the_rest(tls, tmp_path):
    text = nginx_configuration(tls, 9443, 9092, tmp_path)
    assert re.findall(r"location = (\S+) \{ proxy_pass https://superlink; \}", text) == list(FLEET_ROUTES)
    assert re.findall(r"location (?!=)(.*)", text) == ["/ { return 404; }"]
    assert "401" not in text
    assert "403" not in text
    assert "proxy_ssl_verify on;" in text
    assert "$http_" not in text  # no header is logged
    assert "if ($request_uri != $uri) { return 404; }" in text
    assert "if ($request_method != POST) { return 404; }" in text


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_nginx_takes_a_study_whose_folder_has_blanks_quotes_and_other_letters_in_its_name(tmp_path):
    folder = tmp_path / 'Städtisches Klinikum; das \\ "neue"'
    folder.mkdir()
    tls, now = Tls(folder), datetime.datetime.now(datetime.UTC)
    make_authority(tls, "study", now)
    issue_server_certificate(tls, ["localhost"], now)
    with nginx(tls, 1, folder, log_json=False) as port, socket.create_connection(("127.0.0.1", port), 5) as plain:
        trusted = ssl.create_default_context(cafile=str(tls.authority))
        trusted.wrap_socket(plain, server_hostname="localhost").close()
    assert (folder / "nginx-error.log").is_file()


@pytest.mark.skipif(NGINX is None or not socket.has_dualstack_ipv6(), reason="needs nginx and IPv6")
def test_nginx_takes_ipv4_and_ipv6(tls, tmp_path):
    with nginx(tls, 1, tmp_path, log_json=False) as port:
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), 5).close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_the_built_in_gateway_takes_ipv4_and_ipv6_and_says_where_a_port_is_taken():
    with listening(0) as taken:
        port = taken.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), 5).close()
        with pytest.raises(RuntimeError, match=f"public_port {port} of coordinator.yaml cannot be opened .*: does"):
            listening(port)


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
@pytest.mark.parametrize("log_json", [False, True])
def test_every_line_of_the_gateways_log_has_time_and_level_and_what_is_routine_is_left_out(
    tls, gate, tmp_path, log_json
):
    superlink_port = int(gate._base.rpartition(":")[2])
    asked = [*FLEET_ROUTES, "/v1/control/start-run", '/a"b%0a%1b%e2%80%a8\\']
    with nginx(tls, superlink_port, tmp_path, log_json=log_json) as port:
        trusted = ssl.create_default_context(cafile=str(tls.authority))
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trusted, trust_env=False) as client:
            codes = [client.post("/", extensions={"target": path.encode()}).status_code for path in asked]
        with (
            socket.create_connection(("localhost", port)) as bare,
            trusted.wrap_socket(bare, server_hostname="localhost") as tcp,
        ):
            tcp.sendall(b"POST /\xff HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            assert b" 404 " in tcp.recv(1000)
    assert codes == [200] * 10 + [404] * 2
    text = (tmp_path / "nginx-access.log").read_text(encoding="ascii")
    form = re.compile(r"(\S+) (INFO|WARNING) +nginx: (?:127\.0\.0\.1|::1) (POST \S+) (\d+) \d+")
    if log_json:
        lines = [json.loads(line) for line in text.splitlines()]
        found = [(line["time"], line["level"].upper(), line["text"], str(line["status"])) for line in lines]
    else:
        found = [form.fullmatch(line).groups() for line in text.splitlines()]
    assert all(datetime.datetime.fromisoformat(time).utcoffset() is not None for time, *_ in found)
    passed = [
        f"/v1/fleet/{name}" for name in ("activate-node", "deactivate-node", "push-messages", "get-run", "get-fab")
    ]
    assert sorted(what for _, level, what, _ in found if level == "INFO") == sorted(f"POST {path}" for path in passed)
    assert [code for _, level, _, code in found if level == "WARNING"] == ["404"] * 3
