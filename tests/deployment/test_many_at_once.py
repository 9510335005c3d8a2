"""Thirty sites join in the same second, all behind one address: each is let in, is asked, and is heard."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

import httpx
import pytest
from flwr.supercore.task_identity import TaskIdentity

from server.coordinator.flower import outcome, submit
from strategies.flower.command_line import is_finished
from tests.deployment.door import Door
from tests.deployment.forging import push, reply_of, said_in, waiting, write_post
from tests.deployment.machine import NGINX, wait_until

SITES = [f"site_{number}" for number in range(1, 31)]
Answer = TypeVar("Answer")


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    with Door(tmp_path_factory.mktemp("door"), SITES).open() as door:
        yield door


@pytest.mark.faults
@pytest.mark.timeout(1500)
@pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx")
@pytest.mark.parametrize("gateway", ["nginx", "builtin"])
def test_thirty_sites_join_at_once_and_a_run_hears_each_of_them(door, tmp_path, monkeypatch, gateway):
    port, said = getattr(door, gateway), tmp_path / "said.json"
    together, all_here, took = threading.Barrier(len(SITES)), threading.Barrier(len(SITES) + 1), {}
    begun, ended = threading.Event(), threading.Event()

    def take_part(site):
        together.wait(60)
        began = time.monotonic()
        with ExitStack() as until_done:
            client = patiently(lambda: until_done.enter_context(door.online(site, port)))
            took[site] = time.monotonic() - began
            all_here.wait(300)
            assert begun.wait(300)
            each = client._unary_unary
            client._unary_unary = lambda **request: patiently(lambda: each(**request))
            asked = waiting(lambda: door.poll(client, site))
            push(client, door.nodes[site], reply_of(asked, site))
            ended.wait(300)

    with ThreadPoolExecutor(len(SITES)) as sites:
        taking_part = [sites.submit(take_part, site) for site in SITES]
        all_here.wait(300)
        run_id = submit(door.study, write_post(tmp_path / "post"), {"out": str(said), "timeout": 240})
        for name, value in {"run": run_id, "node": 1, "task": 1}.items():
            monkeypatch.setattr(TaskIdentity, f"_{name}_id", value)  # of the replies
        begun.set()
        try:
            wait_until(lambda: is_finished(outcome(door.study, run_id)[0]), 240, "the run ends")
        finally:
            ended.set()
        for each in taking_part:
            each.result()
    assert said_in(said) == {door.nodes[site]: site for site in SITES}
    (tmp_path / "told.txt").write_text(f"let in after {min(took.values()):.1f} to {max(took.values()):.1f} s")
    assert max(took.values()) < 60


def patiently(ask: Callable[[], Answer]) -> Answer:
    """As a SuperNode does: a request that the gateway has no room or no time for just now is made again."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return ask()
        except httpx.HTTPStatusError as refused:
            if refused.response.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                raise
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)
