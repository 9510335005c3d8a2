"""A SuperLink is up once its port answers, whatever else it says, unless it says that it fails."""

import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from strategies.flower import health
from strategies.flower.health import is_healthy, wait_until_healthy
from strategies.flower.processes import end, start


@pytest.fixture
def answering():
    """Starts a server that answers every request with a status; its port."""
    servers = []

    def serve(status):
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status if self.path == "/health" else 500)
                self.end_headers()

            def log_message(self, *words):
                del words

        servers.append(HTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return servers[-1].server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "is_up"), [(200, True), (404, True), (499, True), (500, False), (503, False)])
def test_a_server_that_says_it_fails_is_not_up(answering, status, is_up):
    assert is_healthy(answering(status)) is is_up


def test_a_proxy_of_the_machine_is_not_asked_for_what_runs_on_it(answering, monkeypatch):
    """Nothing listens at port 9: through it nothing would be up."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert is_healthy(answering(200))


@pytest.fixture
def sleeper(tmp_path):
    process = start([sys.executable, "-S", "-c", "import time; time.sleep(60)"], os.environ, tmp_path / "log")
    yield process
    end(process)


def test_one_waits_no_longer_than_until_it_answers(answering, sleeper, tmp_path):
    wait_until_healthy(sleeper, tmp_path / "log", answering(200))
    assert sleeper.poll() is None


def test_a_superlink_has_three_minutes_to_start(sleeper, tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(health, "wait_until", lambda holds, seconds: bool(waited.append(seconds)))
    with pytest.raises(RuntimeError, match="SuperLink did not start within 180 s; its log is"):
        wait_until_healthy(sleeper, tmp_path / "log", 9)
    assert waited == [180]


def test_one_that_never_answers_is_given_up_and_its_log_named(answering, sleeper, tmp_path, monkeypatch):
    monkeypatch.setattr(health, "_START_S", 0.0)
    with pytest.raises(RuntimeError, match=r"SuperLink did not start within 0 s; its log is .*/log$"):
        wait_until_healthy(sleeper, tmp_path / "log", answering(503))
