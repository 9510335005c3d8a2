"""A SuperNode outlives a gateway that stalls, tells how its requests fare, and looks for work often."""

import ssl
import threading
import time
from pathlib import Path

import httpx
import pytest
from flwr import app
from flwr.proto.fleet_pb2 import ActivateNodeRequest, PullMessagesRequest, PullMessagesResponse
from flwr.proto.message_pb2 import Message, Metadata
from flwr.supercore.object_store.in_memory_object_store import InMemoryObjectStore
from flwr.supernode import fleet_http_connection, start_client_internal
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.nodestate.in_memory_nodestate import InMemoryNodeState

from strategies.flower.causes import causes
from strategies.flower.supernode import QuickSleep, adapt, leaving_no_reply, patient, run_supernode, watched
from tests.strategies.flower.fleet import ANSWERS, Fleet, tls_in

STALL_S, TIMEOUT_S = 1.5, 0.5
PLACES = {
    (start_client_internal, "subprocess"): "subprocess.Popen(command)",
    (start_client_internal, "time"): "time.sleep(3)",
    (start_client_internal, "_pull_and_store_message"): "run_id = _pull_and_store_message(\n",
    (start_client_internal, "pull_objects"): "pull_objects(\n",
    (fleet_http_connection, "FleetHttpClient"): "with FleetHttpClient.from_server_address(",
    (fleet_http_connection, "make_simple_http_retry_invoker"): "= make_simple_http_retry_invoker()",
}
"""What `adapt` replaces in Flower's modules, and the code there that uses it."""
flowers_retries = fleet_http_connection.make_simple_http_retry_invoker


class Heard:
    """What a SuperNode tells."""

    def __init__(self):
        self.said = []

    def answered(self, request):
        self.said.append(request)

    def failed(self, request, error):
        self.said.append((request, type(error)))

    def asked(self, message_type):
        self.said.append(message_type)


@pytest.fixture
def fleet(tmp_path):
    return Fleet(tmp_path)


def client_of(fleet, kind=FleetHttpClient, authority=None):
    authority = authority or fleet.tls.authority
    client = kind.from_server_address(fleet.address, False, authority.read_bytes(), [])
    client._client.timeout = TIMEOUT_S  # Flower's own 30 s, shorter
    return client


def test_flower_gives_up_on_a_gateway_that_stalls_while_a_connection_is_opened_and_a_site_does_not(fleet):
    with client_of(fleet) as client, pytest.raises(httpx.ConnectTimeout, match="handshake operation timed out"):
        flowers_retries().invoke(client.ActivateNode, ActivateNodeRequest())
    heard = Heard()
    threading.Timer(STALL_S, fleet.answer).start()
    with client_of(fleet, watched(heard)) as client:
        assert patient(flowers_retries)().invoke(client.ActivateNode, ActivateNodeRequest()).node_id == 7
    fleet.stop()
    assert heard.said[0] == ("activate-node", httpx.ConnectTimeout)
    assert heard.said[-1] == "activate-node"


def test_another_authoritys_certificate_is_final(fleet, tmp_path):
    fleet.answer()
    other = tls_in(tmp_path / "other").authority
    began = time.monotonic()
    with client_of(fleet, authority=other) as client, pytest.raises(httpx.ConnectError) as raised:
        patient(flowers_retries)().invoke(client.ActivateNode, ActivateNodeRequest())
    fleet.stop()
    assert time.monotonic() - began < 1  # the first retry would come after that
    assert any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(raised.value))


def test_a_refusal_stays_what_flower_makes_of_it(tmp_path):
    fleet, heard = Fleet(tmp_path, status=lambda request: 412), Heard()
    fleet.answer()
    with client_of(fleet, watched(heard)) as client, pytest.raises(httpx.HTTPStatusError, match="412"):
        patient(flowers_retries)().invoke(client.ActivateNode, ActivateNodeRequest())
    fleet.stop()
    assert heard.said == [("activate-node", httpx.HTTPStatusError)]


def test_the_kind_of_a_message_that_comes_is_told(fleet, monkeypatch):
    message = Message(metadata=Metadata(message_type="train.branches"))
    monkeypatch.setitem(ANSWERS, "pull-messages", PullMessagesResponse(messages_list=[message]).SerializeToString())
    heard = Heard()
    fleet.answer()
    with client_of(fleet, watched(heard)) as client:
        client.PullMessages(PullMessagesRequest())
    fleet.stop()
    assert heard.said == ["pull-messages", "train.branches"]


def test_everything_is_put_where_flower_looks_for_it(monkeypatch):
    """Each name must be there before, and be looked up in its module by the code that uses it."""
    source = {
        module: Path(str(module.__file__)).read_text() for module in (start_client_internal, fleet_http_connection)
    }
    for (module, name), use in PLACES.items():
        assert use in source[module]
        monkeypatch.setattr(module, name, getattr(module, name))  # and is put back after this test
    before = fleet_http_connection.FleetHttpClient
    adapt(Heard())
    assert issubclass(fleet_http_connection.FleetHttpClient, before)
    assert start_client_internal.pull_objects.keywords["initial_backoff"] < 1


def test_no_reply_is_kept_back_until_one_more_message_comes():
    """A message was stored and its pulling failed, so Flower's loop lags one reply behind."""
    objects = InMemoryObjectStore()
    state = InMemoryNodeState(objects)
    asked = [
        app.Message(app.RecordDict(), metadata=app.Metadata(run, str(run), 1, 1, "", "", 0, 60, "query"))
        for run in (7, 8)
    ]
    for message in asked:
        state.store_message(message)
    pull = leaving_no_reply(lambda state: None)  # no more message comes
    assert pull(state=state) is None  # both are worked on
    sent = []

    def send(reply, *_):
        sent.append(reply.metadata.reply_to_message_id)
        if reply.metadata.run_id == 7:
            raise start_client_internal.RunNotRunningException
        return set(), ""

    for message in asked:
        start_client_internal._insert_message(app.Message(app.RecordDict(), reply_to=message), state, objects)
        assert pull(state=state) == message.metadata.run_id
        start_client_internal._push_messages(state, objects, send, lambda *_: None)
        assert pull(state=state) is None
    assert sent == ["7", "8"]


def test_a_busy_site_looks_often_and_an_idle_one_as_seldom_as_flower(monkeypatch):
    slept, now = [], [0.0]
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    sleep = QuickSleep().sleep
    sleep(3)  # a study may be waiting
    now[0] = 121.0
    sleep(3)
    sleep(0.5)  # waiting for its reply: there is work
    sleep(3)
    assert slept == [0.2, 3, 0.02, 0.2]


def test_flowers_program_runs_with_the_arguments_of_this_process(monkeypatch, capsys):
    for module, name in PLACES:
        monkeypatch.setattr(module, name, getattr(module, name))  # and is put back after this test
    monkeypatch.setattr("sys.argv", ["flower-supernode", "--help"])
    with pytest.raises(SystemExit) as ended:
        run_supernode(Heard())
    assert ended.value.code == 0
    assert "--auth-supernode-private-key" in capsys.readouterr().out
