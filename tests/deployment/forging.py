"""A run that sends each site messages and notes who answered what; and replies, true and false, to them."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.inflatable.inflatable_protobuf_utils import make_push_object_fn_protobuf
from flwr.supercore.inflatable.inflatable_utils import push_objects
from flwr.supernode.fleet_http_client import FleetHttpClient

_PROJECT = """\
[project]
name = "post"
version = "1.0.0"
description = "One message to each node"
license = "Apache-2.0"
dependencies = []
[tool.uv]
exclude-dependencies = ["flwr"]
[tool.flwr.app]
publisher = "tessera"
[tool.flwr.app.components]
serverapp = "post:app"
clientapp = "post:client"
[tool.flwr.app.config]
out = ""
end = ""
timeout = 60
"""
_CODE = '''\
"""A message to each node, again and again until there is a file `end`; who answered what the last time."""
import json
from pathlib import Path

from flwr.app import Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from strategies.flower.replies import whole_replies
from strategies.streaming import replies_in_order

app = ServerApp()
client = ClientApp()


@app.main()
def main(grid, context):
    config, is_last, grid = context.run_config, False, whole_replies(grid)
    while not is_last:
        is_last = not config["end"] or Path(config["end"]).is_file()
        messages = [Message(RecordDict(), node, "query") for node in sorted(grid.get_node_ids())]
        replies = replies_in_order(grid, messages, config["timeout"])
        told = [reply for reply in replies if reply.has_content() and "said" in reply.content]
        said = {str(reply.metadata.src_node_id): reply.content["said"]["word"] for reply in told}
    Path(config["out"]).write_text(json.dumps(said))
'''


def write_post(folder: Path) -> Path:
    """The app's folder."""
    folder.mkdir()
    (folder / "pyproject.toml").write_text(_PROJECT)
    (folder / "post.py").write_text(_CODE)
    return folder


def said_in(path: Path) -> dict[int, str]:
    return {int(node): word for node, word in json.loads(path.read_text()).items()}


def reply_of(asked: Message, word: str) -> Message:
    """The reply to what a node was asked, in that node's name, whoever makes it."""
    return with_id(Message(RecordDict({"said": ConfigRecord({"word": word})}), reply_to=asked))


def with_id(message: Message) -> Message:
    message.metadata.__dict__["_message_id"] = message.object_id
    return message


def waiting(poll: Callable[[], list]) -> Message:
    """The message that waits for a node."""
    deadline = time.monotonic() + 60
    while not (found := poll()):
        assert time.monotonic() < deadline, "no message for this node"
        time.sleep(0.3)
    return message_from_proto(found[0])


def push(client: FleetHttpClient, node_id: int, message: Message) -> None:
    """Send a message as this node, with its content."""
    node = Node(node_id=node_id)
    bare = message_to_proto(remove_content_from_message(message))
    answer = client.PushMessages(
        PushMessagesRequest(node=node, messages_list=[bare], message_object_trees=[get_object_tree(message)])
    )
    run_id, session = message.metadata.run_id, answer.session_id
    send = make_push_object_fn_protobuf(client.PushObject, node, run_id, session)
    push_objects(get_all_nested_objects(message), send, object_ids_to_push=set(answer.objects_to_push))
