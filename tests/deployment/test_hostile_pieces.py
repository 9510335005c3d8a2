"""A registered site whose replies consist of pieces that no program of ours made, in a real run; another is honest."""

import contextlib
import hashlib
import time
from collections.abc import Mapping

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.inflatable.inflatable_protobuf_utils import make_push_object_fn_protobuf
from flwr.supercore.inflatable.inflatable_utils import ObjectPushError
from flwr.supercore.task_identity import TaskIdentity

from server.coordinator.flower import outcome, submit
from strategies.flower.command_line import is_finished
from strategies.flower.replies import LARGER_BYTES
from tests.deployment.door import Door
from tests.deployment.forging import push, reply_of, said_in, waiting, with_id, write_post
from tests.deployment.machine import NGINX, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx"),
]
_WORD = b"x" * 2**22


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    with Door(tmp_path_factory.mktemp("door"), "ab").open() as door:
        yield door


def send(door: Door, client, asked: Message, tree: ObjectTree, pieces: Mapping[str, bytes]) -> None:
    """Announce a reply of b's with this tree of pieces, and send these of them."""
    node = Node(node_id=door.nodes["b"])
    bare = message_to_proto(remove_content_from_message(reply_of(asked, "")))
    bare.metadata.message_id = tree.object_id
    request = PushMessagesRequest(node=node, messages_list=[bare], message_object_trees=[tree])
    session = client.PushMessages(request).session_id
    give = make_push_object_fn_protobuf(client.PushObject, node, asked.metadata.run_id, session)
    for name, content in pieces.items():
        give(name, content)


def garbage(door, client, asked, of_a):
    content = b"Message  4\x00\xff\xff\xff\xff"  # a right head, as the SuperLink asks for
    name = hashlib.sha256(content).hexdigest()
    send(door, client, asked, ObjectTree(object_id=name), {name: content})


def another_kind(door, client, asked, of_a):
    """Pieces that make a record, where a message is due."""
    record = ConfigRecord({"word": "forged"})
    send(door, client, asked, ObjectTree(object_id=record.object_id), {record.object_id: record.deflate()})


def half(door, client, asked, of_a):
    """Announced, and never sent."""
    send(door, client, asked, get_object_tree(reply_of(asked, "half")), {})


def in_another_name(door, client, asked, of_a):
    """The pieces say that it is the other site's reply; what was announced, and checked, is its own."""
    forged = reply_of(of_a, "forged")
    pieces = {name: held.deflate() for name, held in get_all_nested_objects(forged).items()}
    send(door, client, asked, get_object_tree(forged), pieces)


def flood(door, client, asked, of_a):
    """A whole and valid reply with far more in it than anybody asked for."""
    n_more = 1 + LARGER_BYTES // len(_WORD)
    words = {f"said {number}": ConfigRecord({"word": b"%d" % number + _WORD}) for number in range(n_more)}
    content = RecordDict({**words, "said": ConfigRecord({"word": "flood"})})
    with contextlib.suppress(ObjectPushError):  # enough for the run, which throws it away before the last is sent
        push(client, door.nodes["b"], with_id(Message(content, reply_to=asked)))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("attack", [garbage, another_kind, half, in_another_name, flood], ids=lambda own: own.__name__)
def test_the_run_ends_with_the_honest_reply_under_the_honest_name(door, tmp_path, monkeypatch, attack):
    a, b, port = door.nodes["a"], door.nodes["b"], door.nginx
    with door.online("a", port) as honest, door.online("b", port) as liar:
        config = {"out": str(tmp_path / "said.json"), "timeout": 20 if attack is half else 240}
        run_id = submit(door.study, write_post(tmp_path / "post"), config)
        for name, value in {"run": run_id, "node": 1, "task": 1}.items():
            monkeypatch.setattr(TaskIdentity, f"_{name}_id", value)
        asked_a, asked_b = waiting(lambda: door.poll(honest, "a")), waiting(lambda: door.poll(liar, "b"))
        attack(door, liar, asked_b, asked_a)
        time.sleep(2)  # the run takes the bad reply first
        push(honest, a, reply_of(asked_a, "true"))
        wait_until((tmp_path / "said.json").is_file, 120, "the run has its replies")
        expected = {a: "true", b: "forged"} if attack is in_another_name else {a: "true"}
        assert said_in(tmp_path / "said.json") == expected
        wait_until(lambda: is_finished(outcome(door.study, run_id)[0]), 90, "the run ends")
        assert outcome(door.study, run_id)[0] == "finished:completed"
