"""A reply is handed out when it is whole, in the name that it was announced with, and can do no harm."""

from types import SimpleNamespace

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.message_pb2 import ConfirmMessageReceivedResponse, ObjectTree, PullObjectResponse
from flwr.proto.runtime_pb2 import PullAppMessagesResponse
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.superlink.grid.http_grid import HttpGrid

from strategies.checks import TOO_LARGE, UNREADABLE_REPLY
from strategies.flower import replies
from strategies.flower.replies import LARGER, WholeReplies, whole_replies
from tests.support import WatchedGrid, asked_message


class SuperLink:
    """What of the SuperLink's API a grid asks: replies are announced once, and their pieces handed out."""

    def __init__(self):
        self.announced, self.trees, self.pieces, self.confirmed = [], [], {}, []

    def PullMessages(self, request):  # noqa: N802 (Flower's name)
        answer = PullAppMessagesResponse(messages_list=self.announced, message_object_trees=self.trees)
        self.announced, self.trees = [], []
        return answer

    def PullObject(self, request):  # noqa: N802 (Flower's name)
        held = self.pieces.get(request.object_id)
        return PullObjectResponse(
            object_found=held is not None, object_available=bool(held), object_content=held or b""
        )

    def ConfirmMessageReceived(self, request):  # noqa: N802 (Flower's name)
        self.confirmed.append(request.message_object_id)
        return ConfirmMessageReceivedResponse()

    def announce(self, own, inside=None):
        """A reply, whose pieces are those of the message `inside`."""
        inside = inside or own
        bare = message_to_proto(remove_content_from_message(own))
        bare.metadata.message_id = inside.object_id
        self.announced, self.trees = [bare], [get_object_tree(inside)]
        self.pieces = dict.fromkeys(get_all_nested_objects(inside), b"")
        return {name: held.deflate() for name, held in get_all_nested_objects(inside).items()}


class Grid(HttpGrid):
    """Flower's, with the SuperLink above in place of one behind HTTP."""

    def __init__(self, superlink):
        self.node, self._there = SimpleNamespace(), superlink

    @property
    def _runtime_client(self):
        return self._there

    def push_messages(self, messages):
        return [message.metadata.message_id for message in messages]


@pytest.fixture
def link(monkeypatch):
    monkeypatch.setattr(replies, "PullObjectRequest", SimpleNamespace)
    monkeypatch.setattr(replies, "ConfirmMessageReceivedRequest", SimpleNamespace)
    return SuperLink()


def reply(asked, word="honest"):
    return Message(RecordDict({"said": ConfigRecord({"word": word})}), reply_to=asked)


def test_only_a_deployments_grid_is_wrapped(link, tmp_path):
    grid = WatchedGrid(tmp_path, 0)
    assert whole_replies(grid) is grid
    assert isinstance(whole_replies(Grid(link)), WholeReplies)
    assert isinstance(HttpGrid._runtime_client, property)  # as the one above


def test_a_reply_comes_once_its_last_piece_has(link):
    grid, asked = WholeReplies(Grid(link)), asked_message()
    whole = link.announce(reply(asked))
    ids = [asked.metadata.message_id]
    assert grid.pull_messages(ids) == []
    for name, content in list(whole.items())[1:]:
        link.pieces[name] = content
    assert grid.pull_messages(ids) == []
    assert link.confirmed == []
    link.pieces |= whole
    (found,) = grid.pull_messages(ids)
    assert found.content["said"]["word"] == "honest"
    assert link.confirmed == [found.metadata.message_id]
    assert grid.pull_messages(ids) == []


def test_one_that_nobody_waits_for_any_more_is_forgotten(link):
    grid, asked = WholeReplies(Grid(link)), asked_message()
    whole = link.announce(reply(asked))
    assert grid.pull_messages([asked.metadata.message_id]) == []
    assert grid.pull_messages(["another"]) == []
    link.pieces |= whole
    assert grid.pull_messages([asked.metadata.message_id]) == []


def test_pieces_in_anothers_name_count_as_of_the_node_that_announced_them(link):
    grid, own, others = WholeReplies(Grid(link)), asked_message(7), asked_message(8)
    link.pieces = link.announce(reply(own), inside=reply(others, "forged"))
    (found,) = grid.pull_messages([own.metadata.message_id, others.metadata.message_id])
    assert found.metadata.src_node_id == 7
    assert found.metadata.reply_to_message_id == own.metadata.message_id


@pytest.mark.parametrize("content", [b"Message  4\x00\xff\xff\xff\xff", b"", b"no head", b"RecordDict  2\x00{}"])
def test_pieces_that_make_no_message_are_an_error_of_that_reply(link, content):
    grid, asked = WholeReplies(Grid(link)), asked_message()
    link.announce(reply(asked))
    link.trees = [ObjectTree(object_id=link.announced[0].metadata.message_id)]
    link.pieces = {link.trees[0].object_id: content or b" "}
    (found,) = grid.pull_messages([asked.metadata.message_id])
    assert found.error.code == UNREADABLE_REPLY
    assert found.metadata.reply_to_message_id == asked.metadata.message_id


def test_one_whose_pieces_are_gone_is_no_reply(link):
    grid, asked = WholeReplies(Grid(link)), asked_message()
    link.announce(reply(asked))
    link.pieces = {}
    (found,) = grid.pull_messages([asked.metadata.message_id])
    assert found.error.code == 3  # as Flower's own grid has it


@pytest.mark.parametrize(("beyond", "is_used"), [(-400, True), (400, False)])
def test_one_far_larger_than_its_question_is_not_read(link, monkeypatch, beyond, is_used):
    monkeypatch.setattr(replies, "LARGER_BYTES", 1000)
    grid, asked = WholeReplies(Grid(link)), asked_message()
    asked.content = RecordDict({"w": ConfigRecord({"bytes": b"x" * 700})})
    grid.push_messages([asked])
    link.pieces = link.announce(reply(asked, b"y" * (LARGER * 700 + 1000 - 300 + beyond)))
    n_bytes = sum(map(len, link.pieces.values()))
    assert (n_bytes <= LARGER * 700 + 1000) == is_used
    (found,) = grid.pull_messages([asked.metadata.message_id])
    assert found.has_content() == is_used
    if not is_used:
        assert found.error.code == TOO_LARGE
