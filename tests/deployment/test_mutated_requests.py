"""A registered site, and a stranger, send mutated requests through both gateways while a run goes on.

300 a gateway, the same every time; `make fuzz` sends each 10,000 new ones (TESSERA_FUZZ_REQUESTS).
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flwr.common.serde import message_from_proto
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.fleet_http_client import FleetHttpClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from server.coordinator.flower import outcome, submit
from server.network.gateway import FLEET_ROUTES
from strategies.flower.command_line import is_finished
from tests.deployment.door import Door
from tests.deployment.forging import push, reply_of, said_in, write_post
from tests.deployment.hostile import Hostile
from tests.deployment.machine import NGINX, wait_until
from tests.fuzz.requests import mutated

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx"),
]
REQUESTS = int(os.environ.get("TESSERA_FUZZ_REQUESTS", "0"))
_EACH = 50
"""So many mutated requests are made of the same real ones."""
_NGINXS_OWN = (501, 505)
"""What nginx itself answers to a transfer coding and a version of HTTP that it does not know."""


@contextmanager
def honest(door: Door, port: int) -> Iterator[Counter]:
    """Site `a`, which replies to every message while the block lasts; how often it did."""
    replied, ends = Counter(), threading.Event()

    def live() -> None:
        node = Node(node_id=door.nodes["a"])
        with door.online("a", port) as client:
            while not ends.wait(0.3):
                client.SendNodeHeartbeat(SendNodeHeartbeatRequest(node=node, heartbeat_interval=600))
                for asked in door.poll(client, "a"):
                    push(client, node.node_id, reply_of(message_from_proto(asked), "true"))
                    replied["true"] += 1
        replied["end"] = 1

    site = threading.Thread(target=live)
    site.start()
    try:
        yield replied
    finally:
        ends.set()
        site.join(60)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("gateway", ["nginx", "builtin"])
def test_they_are_refused_and_leave_no_trace_in_the_run(tmp_path, monkeypatch, gateway):
    out, end = tmp_path / "said.json", tmp_path / "end"
    with Door(tmp_path, "ab").open() as door:
        door.make_key("stranger")
        port = getattr(door, gateway)
        with honest(door, port) as replied:
            run_id = submit(door.study, write_post(tmp_path / "post"), {"out": str(out), "end": str(end), "timeout": 9})
            for name, value in {"run": run_id, "node": 1, "task": 1}.items():
                monkeypatch.setattr(TaskIdentity, f"_{name}_id", value)
            hostile = Hostile(door, port)
            with hostile.there(run_id) as client:
                answered = send_mutated(hostile, client)
            end.touch()
            wait_until(out.is_file, 90, "the run has its last replies")
        wait_until(lambda: is_finished(outcome(door.study, run_id)[0]), 90, "the run ends")
        assert outcome(door.study, run_id)[0] == "finished:completed"
        assert said_in(out)[door.nodes["a"]] == "true"
        assert replied["true"] > 1
        assert replied["end"] == 1  # not one of the honest site's requests was refused
        assert answered.total() >= (REQUESTS or 300)
        reached = {line.split('"')[1].split()[1] for line in door.log().splitlines() if "[uvicorn.access]" in line}
        assert {path for path in reached if not path.startswith(("/v1/control/", "/v1/runtime/"))} <= {*FLEET_ROUTES}
        assert "Traceback" not in door.log()
        assert "UnexpectedError" not in door.log()  # Flower's word for what it had not foreseen
        assert "Traceback" not in (door.study.nginx.parent / "nginx-error.log").read_text()


def send_mutated(hostile: Hostile, client: FleetHttpClient) -> Counter[int]:
    """How often which status came back; 0: none did."""
    statuses: Counter[int] = Counter()
    ours = _NGINXS_OWN if hostile.port == hostile.door.nginx else ()

    @given(st.data())
    @settings(
        max_examples=REQUESTS or 300,
        derandomize=not REQUESTS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def sent(data: st.DataObject) -> None:
        if statuses.total() % _EACH == 0:
            hostile.look_again(client)
        path = data.draw(st.sampled_from(FLEET_ROUTES))
        site = data.draw(st.sampled_from(("b", "b", "b", "stranger")))
        request = mutated(data.draw, hostile.real(path, site), hostile.messages)
        status = hostile.send(request)
        statuses[status] += 1
        told = f"{status} to {site}: {request.wire()[:2000]!r}"
        assert status < 500 or status in ours, told
        asked = request.path.partition("#")[0].strip()  # the same path, written otherwise
        assert status != 200 or (request.method.strip() == "POST" and asked in FLEET_ROUTES and site == "b"), told

    sent()
    return statuses
