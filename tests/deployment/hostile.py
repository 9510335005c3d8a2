"""A registered site that answers as it should now and then, so that what it sends mutated is all but right; raw."""

import http.client
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import cast

import httpx
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.common.serde import message_from_proto
from flwr.proto.fab_pb2 import GetFabRequest
from flwr.proto.fleet_pb2 import DeactivateNodeRequest, PushMessagesRequest
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, PullObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.date import now
from flwr.supercore.primitives.asymmetric import public_key_to_bytes, sign_message
from flwr.supernode.fleet_http_client import FleetHttpClient
from google.protobuf.message import Message

from tests.deployment.door import Door
from tests.deployment.forging import push, reply_of, waiting
from tests.fuzz.requests import Request

_PATIENCE_S, _CUT_S = 20.0, 0.5
_FRAMING = ("content-length", "transfer-encoding", "expect")


class Hostile:
    """Site `b` of a door, or whoever has another key."""

    def __init__(self, door: Door, port: int) -> None:
        self.door, self.port, self.node = door, port, Node(node_id=door.nodes["b"])
        self.messages: dict[str, Message] = {}
        """A real request of each route; they stay as they are, since what is drawn depends on them."""
        self._now: dict[bytes, bytes] = {}
        """Ids in them, and those that are due now."""

    @contextmanager
    def there(self, run_id: int) -> Iterator[FleetHttpClient]:
        """With an honest exchange of each kind done, which gives a real request of every route."""
        with self.door.online("b", self.port) as client:
            asked = waiting(lambda: self.door.poll(client, "b"))
            client.SendNodeHeartbeat(SendNodeHeartbeatRequest(node=self.node, heartbeat_interval=60))
            run = client.GetRun(GetRunRequest(node=self.node, run_id=run_id)).run
            client.GetFab(GetFabRequest(node=self.node, hash_str=run.fab_hash, run_id=run_id))
            client.PullObject(PullObjectRequest(node=self.node, run_id=run_id, object_id=asked.metadata.message_id))
            push(client, self.node.node_id, reply_of(asked, "own"))
            client.ConfirmMessageReceived(
                ConfirmMessageReceivedRequest(
                    node=self.node, run_id=run_id, message_object_id=asked.metadata.message_id
                )
            )
            self.messages = dict(self.door.asked)
            self.messages["/v1/fleet/deactivate-node"] = DeactivateNodeRequest(node_id=self.node.node_id)
            yield client

    def look_again(self, client: FleetHttpClient) -> None:
        """Be there again, and take the next message that came as the one to reply to."""
        with suppress(httpx.HTTPStatusError):
            client.ActivateNode(self.messages["/v1/fleet/activate-node"])
        if held := self.door.poll(client, "b"):
            reply = reply_of(message_from_proto(held[0]), "own")
            (first,) = cast(PushMessagesRequest, self.messages["/v1/fleet/push-messages"]).messages_list
            ids = {first.metadata.message_id: reply.object_id}
            ids[first.metadata.reply_to_message_id] = reply.metadata.reply_to_message_id
            self._now = {before.encode(): now_due.encode() for before, now_due in ids.items()}

    def real(self, path: str, site: str) -> Request:
        """A request as a SuperNode with this site's key sends it now."""
        key, time = self.door.key(site), now().isoformat()
        signature = sign_message(key, time.encode("ascii"))
        headers = {
            "host": "localhost",
            "content-type": "application/protobuf",
            FLEET_HTTP_PUBLIC_KEY_HEADER: b64encode(public_key_to_bytes(key.public_key())).decode(),
            TIMESTAMP_HEADER: time,
            FLEET_HTTP_SIGNATURE_HEADER: b64encode(signature).decode(),
        }
        return Request("POST", path, tuple(headers.items()), self.messages[path].SerializeToString())

    def send(self, request: Request) -> int:
        """The status of the answer; 0 where the connection was closed, or stays silent, without one."""
        for before, now_due in self._now.items():
            request = replace(request, body=request.body.replace(before, now_due))
        is_whole = request.length == "right" and not {name.lower() for name, _ in request.headers} & {*_FRAMING}
        with suppress(OSError, http.client.HTTPException), self.door.tls(self.port) as connection:
            connection.settimeout(_PATIENCE_S if is_whole else _CUT_S)
            connection.sendall(request.wire())
            answer = http.client.HTTPResponse(connection, method=request.method)
            answer.begin()
            return answer.status
        return 0
