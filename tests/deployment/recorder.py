"""A gateway that keeps what the sites send, after TLS: every request, and the messages that Flower's objects make."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from flwr.app import Message
from flwr.proto import fab_pb2, fleet_pb2, heartbeat_pb2, message_pb2, run_pb2
from flwr.supercore.inflatable.inflatable_object import get_object_id
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

from server.coordinator.folder import Study
from server.network.gateway import FleetGate, Receive, Scope, Send
from strategies.packing import unpacked

_PROTOCOL = (fleet_pb2, message_pb2, heartbeat_pb2, run_pb2, fab_pb2)


@dataclass(frozen=True)
class Request:
    """What a site sent, and what it was answered."""

    path: str
    """With the query, if there is one."""
    headers: dict[str, str]
    body: bytes
    answer: bytes

    @property
    def route(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def all_of_it(self) -> bytes:
        """Everything that left the site with this request."""
        headers = "".join(f"{name}: {value}\n" for name, value in self.headers.items())
        return f"{self.path}\n{headers}\n".encode() + self.body


class Recorder:
    """An ASGI app in front of another that keeps what passes."""

    def __init__(self, app: FleetGate) -> None:
        self.requests: list[Request] = []
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, answer = bytearray(), bytearray()

        async def heard() -> Any:
            event = await receive()
            body.extend(event.get("body", b""))
            return event

        async def said(event: Any) -> None:
            answer.extend(event.get("body", b""))
            await send(event)

        path = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            await self._app(scope, heard, said)
        finally:
            self.requests.append(Request(path.decode("latin-1"), headers, bytes(body), bytes(answer)))

    def replies(self) -> list[Message]:
        """Every message that a site sent."""
        contents = self._objects()
        found = []
        for request in [one for one in self.requests if one.route == "push-messages"]:
            sent = parsed(request)
            for metadata, tree in zip(sent.messages_list, sent.message_object_trees, strict=True):
                message = _inflated(tree.object_id, contents)
                assert metadata.metadata.reply_to_message_id == message.metadata.reply_to_message_id
                found.append(message)
        return found

    def asked(self) -> list[Message]:
        """Every message that a site was sent."""
        contents = self._objects()
        answers = [fleet_pb2.PullMessagesResponse.FromString(one.answer) for one in self._of("pull-messages")]
        return [_inflated(tree.object_id, contents) for answer in answers for tree in answer.message_object_trees]

    def _objects(self) -> dict[str, bytes]:
        """Flower's objects by id: of either way, for what the other side has already is not sent again."""
        pushed = [parsed(one).object_content for one in self._of("push-object")]
        pulled = [message_pb2.PullObjectResponse.FromString(one.answer) for one in self._of("pull-object")]
        return {get_object_id(content): content for content in [*pushed, *(one.object_content for one in pulled)]}

    def _of(self, route: str) -> list[Request]:
        return [request for request in self.requests if request.route == route]


def parsed(request: Request) -> Any:
    """The request's body as the protobuf message that its route takes."""
    name = "".join(word.capitalize() for word in request.route.split("-")) + "Request"
    kind = next(getattr(module, name) for module in _PROTOCOL if hasattr(module, name))
    return kind.FromString(request.body)


def fields_of(message: Any, above: str = "") -> set[str]:
    """The fields that are set, by dotted name; a tree of objects counts once, however deep it is."""
    found: set[str] = set()
    for field, value in message.ListFields():
        name = above if field.name == "children" else f"{above}.{field.name}".strip(".")
        if field.message_type is None:
            found.add(name)
        else:
            for one in value if field.is_repeated else [value]:
                found |= fields_of(one, name)
    return found


@contextmanager
def recording(study: Study) -> Iterator[Recorder]:
    """The study's public port, open to its sites and recorded, until the end of the block."""
    settings = study.settings()
    recorder = Recorder(FleetGate(study.tls, settings.superlink_port))
    config = uvicorn.Config(
        recorder,
        host="127.0.0.1",
        port=settings.public_port,
        ssl_certfile=str(study.tls.certificate),
        ssl_keyfile=str(study.tls.key),
        log_level="warning",
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.should_exit = True
        thread.join(10)


def _inflated(object_id: str, contents: dict[str, bytes]) -> Message:
    message = inflate_object_from_contents(object_id, contents, keep_object_contents=True)
    assert isinstance(message, Message)
    message.metadata.__dict__["_message_id"] = object_id
    if message.has_content():
        message.content = unpacked(message.content)
    return message
