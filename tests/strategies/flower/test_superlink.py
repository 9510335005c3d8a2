"""A site's key speaks for that site alone."""

from types import SimpleNamespace

import pytest
from fastapi import HTTPException
from flwr.proto.fleet_pb2 import PullMessagesRequest, PushMessagesRequest
from flwr.proto.message_pb2 import Message, Metadata
from flwr.proto.node_pb2 import Node
from flwr.superlink.cli import flower_superlink
from flwr.superlink.routers.fleet import node_auth

from strategies.flower import superlink


def pushed(source, reply_to="asked"):
    message = Message(metadata=Metadata(src_node_id=source, reply_to_message_id=reply_to))
    return PushMessagesRequest(node=Node(node_id=7), messages_list=[message])


@pytest.mark.parametrize(
    ("request_", "passes"),
    [
        (pushed(7), True),
        (pushed(8), False),
        (pushed(7, reply_to=""), False),  # an instruction, which only the server gives
        (PullMessagesRequest(node=Node(node_id=7)), True),
    ],
)
def test_a_node_sends_replies_of_its_own_only(monkeypatch, request_, passes):
    monkeypatch.setattr(superlink, "authenticate_node", lambda request: None)
    asked = SimpleNamespace(state=SimpleNamespace(protobuf_request=request_))
    if passes:
        superlink.authenticate(asked)
    else:
        with pytest.raises(HTTPException, match="A node sends replies of its own only") as raised:
            superlink.authenticate(asked)
        assert raised.value.status_code == 403


def test_flowers_own_check_comes_first():
    with pytest.raises(HTTPException, match="Invalid SuperNode authentication"):
        superlink.authenticate(SimpleNamespace(headers={}))


def test_flowers_router_looks_the_check_up_where_it_is_put(monkeypatch):
    monkeypatch.setattr(node_auth, "authenticate_node", node_auth.authenticate_node)  # and is put back after this test
    run_by_flower = []
    monkeypatch.setattr(superlink.uvicorn, "run", lambda **options: run_by_flower.append(options))
    monkeypatch.setattr(superlink, "flower_superlink", lambda: superlink.uvicorn.run(ssl_certfile="server.pem"))
    assert flower_superlink.__globals__["uvicorn"] is superlink.uvicorn  # Flower looks `run` up where it is put
    superlink.run_superlink(renewing := lambda config, make: make())
    assert run_by_flower == [{"ssl_certfile": "server.pem", "ssl_context_factory": renewing}]
    assert node_auth.authenticate_node is superlink.authenticate
    assert "authenticate_node" in node_auth.NodeAuthMiddleware.dispatch.__code__.co_names
