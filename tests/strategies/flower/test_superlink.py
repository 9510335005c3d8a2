"""A site's key speaks for that site alone."""

import base64
import subprocess
import sys
from inspect import unwrap
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import HTTPException
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.proto.fleet_pb2 import PullMessagesRequest, PushMessagesRequest
from flwr.proto.message_pb2 import Message, Metadata, ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.supercore import sql_mixin
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.date import now
from flwr.superlink import main
from flwr.superlink.cli import flower_superlink
from flwr.superlink.routers.fleet import node_auth, router
from flwr.superlink.servicer.fleet import fleet_handlers
from starlette.middleware.base import BaseHTTPMiddleware

from strategies.flower import superlink
from strategies.flower.pace import whole


def pushed(source, reply_to="asked", n_messages=1, n_pieces=1, n_trees=1):
    message = Message(metadata=Metadata(src_node_id=source, reply_to_message_id=reply_to))
    tree = ObjectTree(object_id="0", children=[ObjectTree(object_id=str(piece)) for piece in range(1, n_pieces)])
    return PushMessagesRequest(
        node=Node(node_id=7), messages_list=[message] * n_messages, message_object_trees=[tree] * n_trees
    )


def asked_for(request):
    return SimpleNamespace(state=SimpleNamespace(protobuf_request=request))


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
    asked = asked_for(request_)
    if passes:
        superlink.authenticate(asked)
    else:
        with pytest.raises(HTTPException, match="A node sends replies of its own only") as raised:
            superlink.authenticate(asked)
        assert raised.value.status_code == 403


@pytest.mark.parametrize("wrong", [{"n_messages": 0}, {"n_messages": 2}, {"n_trees": 0}, {"n_pieces": 5001}])
def test_a_push_is_of_one_reply_with_as_many_pieces_as_one_may_have(monkeypatch, wrong):
    monkeypatch.setattr(superlink, "authenticate_node", lambda request: None)
    superlink.authenticate(asked_for(pushed(7, n_pieces=5000)))
    with pytest.raises(HTTPException, match=r"due|at most") as raised:
        superlink.authenticate(asked_for(pushed(7, **wrong)))
    assert raised.value.status_code == 400


def test_a_handler_that_a_request_makes_stumble_answers_400_and_any_other_failure_is_the_servers():
    def stumbles(error):
        raise error

    for error in (KeyError(3), IndexError(), ValueError(), TypeError()):
        with pytest.raises(HTTPException, match="makes no sense") as raised:
            superlink.refusing(stumbles)(error)
        assert raised.value.status_code == 400
    with pytest.raises(OSError, match="disk"):
        superlink.refusing(stumbles)(OSError("disk"))
    assert superlink.refusing(lambda **named: named)(a=1) == {"a": 1}


@pytest.mark.parametrize("kind", ["an unknown curve", "a key that signs nothing"])
def test_a_key_of_another_kind_is_nobodys(kind):
    """Found by mutated requests: a changed byte of the key's kind was a 500 to anybody."""
    key = ec.generate_private_key(ec.SECP384R1()) if kind == "an unknown curve" else x25519.X25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public = public.replace(bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d0226"))
    pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(public) + b"-----END PUBLIC KEY-----\n"
    headers = {
        FLEET_HTTP_PUBLIC_KEY_HEADER: base64.b64encode(pem).decode(),
        FLEET_HTTP_SIGNATURE_HEADER: base64.b64encode(b"signature").decode(),
        TIMESTAMP_HEADER: now().isoformat(),
    }
    with pytest.raises(HTTPException, match="Invalid SuperNode authentication") as raised:
        superlink.authenticate(SimpleNamespace(headers=headers))
    assert raised.value.status_code == 401


def test_flowers_own_check_comes_first():
    with pytest.raises(HTTPException, match="Invalid SuperNode authentication"):
        superlink.authenticate(SimpleNamespace(headers={}))


def test_flowers_router_looks_the_check_up_where_it_is_put(monkeypatch):
    monkeypatch.setattr(node_auth, "authenticate_node", node_auth.authenticate_node)  # and is put back after this test
    handlers = {name: getattr(fleet_handlers, name) for name in superlink.HANDLERS}
    for name, handler in handlers.items():
        monkeypatch.setattr(fleet_handlers, name, handler)
    monkeypatch.setattr(sql_mixin, "SQLITE_PRAGMAS", sql_mixin.SQLITE_PRAGMAS)
    monkeypatch.setattr(main, "http_error_translator", main.http_error_translator)
    monkeypatch.setattr(BaseHTTPMiddleware, "__call__", BaseHTTPMiddleware.__call__)
    program = sys.modules[flower_superlink.__module__]
    monkeypatch.setattr(program, "subprocess", program.subprocess)
    run_by_flower = []
    monkeypatch.setattr(superlink.uvicorn, "run", lambda **options: run_by_flower.append(options))
    monkeypatch.setattr(superlink, "flower_superlink", lambda: superlink.uvicorn.run(ssl_certfile="server.pem"))
    assert flower_superlink.__globals__["uvicorn"] is superlink.uvicorn  # Flower looks `run` up where it is put
    superlink.run_superlink(renewing := lambda config, make: make())
    assert run_by_flower == [{"ssl_certfile": "server.pem", "ssl_context_factory": renewing}]
    assert node_auth.authenticate_node is superlink.authenticate
    assert sql_mixin.SQLITE_PRAGMAS is superlink.PRAGMAS
    assert BaseHTTPMiddleware.__call__ is whole._call
    assert program.subprocess.Popen is not subprocess.Popen
    assert program.subprocess.TimeoutExpired is subprocess.TimeoutExpired
    assert main.http_error_translator.__qualname__ == "patient.<locals>.translated"
    assert main.http_error_translator in [each.kwargs.get("dispatch") for each in main._get_middleware()]
    assert fleet_handlers.push_object.__wrapped__.__wrapped__ is handlers["push_object"]
    for name, handler in handlers.items():
        assert unwrap(getattr(fleet_handlers, name)) is handler
        assert name in getattr(router, f"fleet_{name}").__code__.co_names
    assert "authenticate_node" in node_auth.NodeAuthMiddleware.dispatch.__code__.co_names
