"""The sites' replies as the SuperLink has them, each taken once it is whole, and none able to stop or to end a study.

Flower's grid waits for the pieces of one reply before it looks at the next, for up to three minutes; it believes what
the pieces say of who sent them, which the SuperLink did not see when it checked the sender's key; and it raises
whatever they make it raise. Not public: its client, the pieces, and what makes a message of them.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from flwr.app import ConfigRecord, Error, Message
from flwr.common.constant import ErrorCode
from flwr.common.serde_utils import metadata_from_proto
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, ObjectTree, PullObjectRequest
from flwr.proto.message_pb2 import Message as Announced
from flwr.proto.runtime_pb2 import PullAppMessagesRequest
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.superlink.grid.http_grid import HttpGrid

from strategies.checks import TOO_LARGE, UNREADABLE_REPLY
from strategies.flower.grids import WrappedGrid
from strategies.flower.log import log

LARGER, LARGER_BYTES = 4, 64 * 2**20
"""How many times larger than its question a reply may be, and how much beyond that."""
_AT_ONCE, _WARNING = 4, 30
_GONE: int = ErrorCode.MESSAGE_UNAVAILABLE


@dataclass
class _UnderWay:
    """A reply that was announced, with the pieces of it that are here."""

    announced: Announced
    missing: list[str]
    pieces: dict[str, bytes] = field(default_factory=dict)


class WholeReplies(WrappedGrid):
    """A ServerApp's grid that hands out a reply when it is whole, and in the name of the key that it came with."""

    def __init__(self, grid: HttpGrid) -> None:
        super().__init__(grid)
        self._http, self._node = grid, grid.node
        self._under_way: dict[str, _UnderWay] = {}
        self._most: dict[str, int] = {}
        """Bytes that the reply to a message may have."""

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send them; how large each is bounds its reply."""
        messages = list(messages)
        sizes = [_size(message) for message in messages]
        ids = list(self._grid.push_messages(messages))
        self._most |= {asked: LARGER * size + LARGER_BYTES for asked, size in zip(ids, sizes, strict=True)}
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that are whole, or of which it is certain that they never will be: those come as errors."""
        wanted = list(message_ids)
        self._under_way = {asked: own for asked, own in self._under_way.items() if asked in wanted}
        self._look([asked for asked in wanted if asked not in self._under_way])
        found = {asked: self._taken(asked, own) for asked, own in self._under_way.items()}
        replies = {asked: reply for asked, reply in found.items() if reply is not None}
        for asked in replies:
            self._finish(asked, self._under_way.pop(asked))
        return list(replies.values())

    def _look(self, wanted: list[str]) -> None:
        """Which replies have been announced; each is so once only."""
        if not wanted:
            return
        answer = self._http._runtime_client.PullMessages(PullAppMessagesRequest(message_ids=wanted))
        for announced, tree in zip(answer.messages_list, answer.message_object_trees, strict=True):
            self._under_way[announced.metadata.reply_to_message_id] = _UnderWay(announced, _ids(tree))

    def _taken(self, asked: str, reply: _UnderWay) -> Message | None:
        """The reply or an error in its place; None if a piece has not come yet."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for at in range(0, len(reply.missing), _AT_ONCE):
                some = reply.missing[at : at + _AT_ONCE]
                answers = list(pool.map(lambda piece: self._piece(reply, piece), some))
                if not all(answer.object_found for answer in answers):
                    return _error(reply, _GONE)
                here = {piece: own.object_content for piece, own in zip(some, answers, strict=True)}
                reply.pieces |= {piece: content for piece, content in here.items() if content}
                if sum(map(len, reply.pieces.values())) > self._most.get(asked, LARGER_BYTES):
                    return _error(reply, TOO_LARGE)
                if not all(here.values()):
                    break  # as a rule they come in this order: those behind it are asked for at the next look
        reply.missing = [piece for piece in reply.missing if piece not in reply.pieces]
        return None if reply.missing else _whole(reply)

    def _piece(self, reply: _UnderWay, piece: str) -> Any:
        run_id = reply.announced.metadata.run_id
        return self._http._runtime_client.PullObject(PullObjectRequest(node=self._node, run_id=run_id, object_id=piece))

    def _finish(self, asked: str, reply: _UnderWay) -> None:
        """Let the SuperLink throw the pieces away."""
        self._most.pop(asked, None)
        metadata = reply.announced.metadata
        self._http._runtime_client.ConfirmMessageReceived(
            ConfirmMessageReceivedRequest(
                node=self._node, run_id=metadata.run_id, message_object_id=metadata.message_id
            )
        )


def whole_replies(grid: Grid) -> Grid:
    """The grid of a deployment's ServerApp, made safe; that of a simulation as it is: there all sites are ours."""
    return WholeReplies(grid) if isinstance(grid, HttpGrid) else grid


def _whole(reply: _UnderWay) -> Message:
    try:
        message: Any = inflate_object_from_contents(reply.announced.metadata.message_id, reply.pieces)
        if not isinstance(message, Message):
            raise TypeError(f"a {type(message).__name__} and no message")
    except Exception:  # whatever a site can think of sending
        log(_WARNING, "a reply of node %s cannot be read", reply.announced.metadata.src_node_id, exc_info=True)
        return _error(reply, UNREADABLE_REPLY)
    message.__dict__["_metadata"] = metadata_from_proto(reply.announced.metadata)
    return message


def _error(reply: _UnderWay, code: int) -> Message:
    return Message(Error(code), metadata=metadata_from_proto(reply.announced.metadata))  # pyright: ignore


def _ids(tree: ObjectTree) -> list[str]:
    return list(dict.fromkeys(node.object_id for node in iterate_object_tree(tree)))


def _size(message: Message) -> int:
    """Bytes of the records that a message is packed into."""
    records = message.content.values() if message.has_content() else ()
    values = [value for record in records if isinstance(record, ConfigRecord) for value in record.values()]
    return sum(len(value) for value in values if isinstance(value, bytes))
