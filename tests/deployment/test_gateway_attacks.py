"""What the outside reaches of a real SuperLink: nothing but the fleet routes, and those with a registered key only."""

import datetime
import shutil
import threading
import time
from contextlib import ExitStack, closing

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from flwr.app import Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from server.coordinator.flower import outcome, register_enrolled, submit
from server.coordinator.folder import revoke_site
from server.network.certificates import Tls, issue_server_certificate, make_authority
from server.network.gateway import FLEET_ROUTES, MOST_BYTES, nginx_configuration
from strategies.flower.command_line import is_finished
from tests.deployment.door import OTHER_ADDRESS, Asker, Door, answers_to, disguises, is_cut_off, pour, tcp
from tests.deployment.forging import push, reply_of, said_in, waiting, with_id, write_post
from tests.deployment.machine import NGINX, wait_until
from tests.deployment.ports import free_ports, is_open

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx"),
]
GIB, MIB = 2**30, 2**20
POLL = FLEET_ROUTES[3]
HEAD = f"POST {POLL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/protobuf\r\n".encode()
HIDDEN = b"POST /v1/control/list-runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
SMUGGLED = {
    "a length and chunks": b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(HIDDEN)),
    "chunks and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "a blank before the colon": b"Content-Length: 0\r\nTransfer-Encoding : chunked\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN),
    "an unknown coding": b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n",
    "a line feed alone": b"X: a\nContent-Length: 0\n\r\n",
}


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    with Door(tmp_path_factory.mktemp("door"), "abc").open() as door:
        yield door


@pytest.fixture(params=["nginx", "builtin"])
def port(request, door):
    return getattr(door, request.param)


@pytest.fixture(scope="module")
def routes():
    """Every path of the app that the installed flower-superlink serves."""
    from flwr.superlink.main import create_app

    found = {context.path for context in iter_route_contexts(create_app().routes)}
    assert {path.split("/")[2] for path in found if path.startswith("/v1/")} == {"control", "fleet", "runtime"}
    assert {"/docs", "/docs/oauth2-redirect", "/openapi.json", "/health"} <= found
    return sorted(found)


def test_no_route_but_the_fleets_is_answered_however_it_is_written(door, port, routes):
    """Where the SuperLink is asked without a gateway, each of these routes is answered."""
    asked = [(method, path) for path in [*routes, "/redoc", "/"] for method in ("GET", "POST")]
    with closing(Asker(door, door.direct)) as inside:
        before = door.reached()
        assert {path for method, path in asked if inside.ask(method, path)[0] != 404} == set(routes)
        wait_until(lambda: door.reached() > before + 150, 30, "the SuperLink has logged them")
    before, n_asked = door.reached(), 0
    with closing(Asker(door, port)) as outside:
        for method, path in asked:
            same = {path, f"https://localhost:{port}{path}", f"{path}#{POLL}"}  # ways to write that path and no other
            passes = same if method == "POST" and path in FLEET_ROUTES else ()
            for written in {path, *disguises(path, port)}.difference(passes):
                for more in ({}, {"X-Original-URL": POLL, "X-Rewrite-URL": POLL}):
                    status, body = outside.ask(method, written, **more)
                    assert status in (0, 400, 404), (method, written, status, body)
                    n_asked += 1
        assert outside.ask("POST", "/v1/control/list-runs", version="HTTP/1.0")[0] == 404
        assert n_asked > 5000
        assert door.reached() == before
        assert outside.ask("POST", POLL, **{"X-Original-URL": "/v1/control/list-runs"})[0] == 415
    wait_until(lambda: door.reached(POLL) and door.reached() == before + 1, 30, "a fleet route passes, and no other")


@pytest.mark.parametrize("how", SMUGGLED)
def test_no_request_is_smuggled_within_another(door, port, how):
    before = door.reached("list-runs")
    answers = answers_to(door.tls(port), HEAD + SMUGGLED[how] + HIDDEN)
    assert answers
    assert set(answers) <= {400, 401, 404, 415, 501}
    assert door.reached("list-runs") == before


def test_plain_http_is_refused(door, port):
    before = door.reached()
    assert set(answers_to(tcp(port), HEAD + b"Content-Length: 0\r\n\r\n")) <= {400}
    assert door.reached() == before


def test_a_registered_key_passes_and_an_unregistered_one_is_401(door, port):
    with door.online("a", port) as client:
        assert door.poll(client, "a") == []
    door.make_key(f"stranger{port}")
    with pytest.raises(httpx.HTTPStatusError, match="401"), door.client(f"stranger{port}", port) as client:
        door.poll(client, "a")
    with pytest.raises(httpx.HTTPStatusError, match="412"):
        door.come_and_go(f"stranger{port}", port)


def test_a_revoked_key_is_401_from_its_next_request_on(door):
    with door.client("c", door.nginx) as client:
        assert door.poll(client, "c") == []
        revoke_site(door.study, "c")
        register_enrolled(door.study)
        for port in (door.nginx, door.builtin):
            with pytest.raises(httpx.HTTPStatusError, match="401"), door.client("c", port) as again:
                door.poll(again, "c")
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            door.poll(client, "c")


def test_a_site_refuses_a_server_of_another_authority(door, port, tmp_path):
    other = Tls(tmp_path / "tls")
    make_authority(other, "other", datetime.datetime.now(datetime.UTC))
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        door.come_and_go("a", port, other.authority)


def test_a_site_refuses_a_certificate_that_has_expired(door, tmp_path):
    tls = Tls(tmp_path / "tls")
    shutil.copytree(door.study.tls.folder, tls.folder)
    issue_server_certificate(tls, ["localhost"], datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=399))
    (port,) = free_ports(1)
    (tmp_path / "nginx.conf").write_text(nginx_configuration(tls, port, door.direct, tmp_path))
    door.machine.start_command("expired", [NGINX, "-c", tmp_path / "nginx.conf", "-g", "daemon off;"])
    wait_until(lambda: is_open(port), 60, "the second nginx listens")
    with pytest.raises(httpx.ConnectError, match="certificate has expired"):
        door.come_and_go("a", port)


def test_a_registered_site_cannot_reply_as_another_nor_send_work_as_the_server(door, tmp_path, monkeypatch):
    """In a real run, by somebody who knows the other's node id and message id, which no site is told."""
    port = door.nginx  # the SuperLink behind it refuses
    a, b = door.nodes["a"], door.nodes["b"]
    with door.online("a", port) as honest, door.online("b", port) as liar:
        run_id = submit(door.study, write_post(tmp_path / "post"), {"out": str(tmp_path / "said.json")})
        asked_a, asked_b = waiting(lambda: door.poll(honest, "a")), waiting(lambda: door.poll(liar, "b"))
        for name, value in {"run": run_id, "node": 1, "task": 1}.items():
            monkeypatch.setattr(TaskIdentity, f"_{name}_id", value)
        planted = with_id(Message(RecordDict(), a, "query"))
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            push(liar, a, reply_of(asked_a, "forged"))
        for message in (reply_of(asked_a, "forged"), planted):
            with pytest.raises(httpx.HTTPStatusError, match="403"):
                push(liar, b, message)
        assert door.poll(honest, "a") == []
        push(honest, a, reply_of(asked_a, "true"))
        push(liar, b, reply_of(asked_b, "own"))
        wait_until((tmp_path / "said.json").is_file, 120, "the run has its replies")
        assert said_in(tmp_path / "said.json") == {a: "true", b: "own"}
        wait_until(lambda: is_finished(outcome(door.study, run_id)[0]), 90, "the run ends")


@pytest.mark.parametrize(("gateway", "framing"), [("nginx", "length"), ("nginx", "chunks"), ("builtin", "chunks")])
def test_a_body_of_1_gib_is_cut_off_and_the_superlink_holds_none_of_it(door, gateway, framing):
    port = getattr(door, gateway)
    before, polled, sent = door.process.memory_info().rss, [], []
    announced = b"Content-Length: %d\r\n\r\n" % GIB if framing == "length" else b"Transfer-Encoding: chunked\r\n\r\n"
    attack = threading.Thread(
        target=lambda: sent.append(pour(door.tls(port, OTHER_ADDRESS), HEAD + announced, GIB, framing))
    )
    attack.start()
    with door.client("a", port) as client:
        while attack.is_alive() or len(polled) < 20:
            polled.append(door.poll(client, "a"))
    attack.join()
    grown = door.process.memory_info().rss - before
    assert grown < 30 * MIB
    if port == door.nginx:  # the built-in gateway reads on, and throws away
        assert sent[0] < 64 * MIB  # what was under way


def test_200_idle_and_slow_connections_leave_the_others_their_answers(door):
    """From one address: bare, with TLS, with half a header, and more half bodies than an address may have."""
    with ExitStack() as held:
        bare = [held.enter_context(tcp(door.nginx, OTHER_ADDRESS)) for _ in range(60)]
        quiet = [held.enter_context(door.tls(door.nginx, OTHER_ADDRESS)) for _ in range(60)]
        slow = [held.enter_context(door.tls(door.nginx, OTHER_ADDRESS)) for _ in range(50)]
        half = [held.enter_context(door.tls(door.nginx, OTHER_ADDRESS)) for _ in range(40)]
        for one in slow:
            one.sendall(HEAD)
        for one in half:
            one.sendall(HEAD + b"Content-Length: %d\r\n\r\nhalf" % MOST_BYTES)
        time.sleep(0.5)
        late = held.enter_context(door.tls(door.nginx, OTHER_ADDRESS))
        assert answers_to(late, HEAD + b"Content-Length: 0\r\n\r\n")[:1] == [503]
        started, seconds = time.monotonic(), []
        with door.client("a", door.nginx) as client:
            while time.monotonic() < started + 11:
                asked = time.monotonic()
                assert door.poll(client, "a") == []
                seconds.append(time.monotonic() - asked)
                time.sleep(0.3)
        assert max(seconds) < 2
        assert all(is_cut_off(one) for one in [*bare, *quiet, *slow])


def test_a_body_of_flowers_size_passes(door, port):
    """Whoever started nginx: a worker of root's is nobody, and could not write it into a folder of root's."""
    kind = {"Content-Type": "application/protobuf"}
    with httpx.Client(base_url=f"https://localhost:{port}", verify=door.context(), trust_env=False) as client:
        assert client.post(POLL, content=bytes(MOST_BYTES), headers=kind).json()["code"] == 1003


def test_no_log_holds_a_signature_and_no_update_lies_on_the_gateways_disk(door):
    door.come_and_go("a", door.nginx)
    door.come_and_go("a", door.builtin)
    assert len(door.signed) > 2
    folder = door.study.nginx.parent
    logs = [folder / "nginx-access.log", folder / "nginx-error.log", door.study.flower / "superlink.log"]
    written = "".join(path.read_text() for path in logs)
    assert "/v1/fleet/activate-node 200" in written
    assert not [value for value in door.signed if value in written]
    assert "temporary file" not in written  # as nginx warns where it writes a body to one


def test_no_answer_says_what_stands_behind_the_gateway(door, port):
    with httpx.Client(base_url=f"https://localhost:{port}", verify=door.context(), trust_env=False) as client:
        found = [client.post(path) for path in (POLL, "/")]
    assert [answer.status_code for answer in found] == [415, 404]
    for answer in found:
        assert answer.headers.get("server", "nginx") == "nginx"
        assert "uvicorn" not in f"{answer.headers}{answer.text}".lower()
