"""A Flower Grid that runs the ClientApp in this process: the same ServerApp code, ClientApp and strategies, no network.

Clients run when their reply is asked for, one at a time and in the order asked, so a run repeats bit for bit and holds
no more than one reply.
"""

from collections.abc import Callable, Iterable
from logging import WARNING, getLogger
from uuid import uuid4

import numpy as np
from flwr.app import ArrayRecord, Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from strategies.exchange import with_content
from strategies.wire import ARRAYS, Weights, from_record, parts_in, record_of, to_record

_SERVER, _RUN = 1, 1
_CLIENT_FAILED = 2  # flwr.common.constant.ErrorCode.CLIENT_APP_RAISED_EXCEPTION


class InlineGrid(Grid):
    """Nodes 0 to n - 1 of a simulation, each with its own context."""

    def __init__(self, app: ClientApp, n_nodes: int, run_config: dict[str, bool | float | int | str]) -> None:
        """Every node gets its `partition-id`; the run config is shared."""
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = _RUN, _SERVER, _SERVER
        getLogger("flwr").setLevel(WARNING)
        self._app = app
        self._run = Run.create_empty(_RUN)
        self._pending: dict[str, Message] = {}
        self._contexts = {
            1000 + partition: Context(
                run_id=_RUN,
                node_id=1000 + partition,
                node_config={"partition-id": partition, "num-partitions": n_nodes},
                state=RecordDict(),
                run_config=dict(run_config),
            )
            for partition in range(n_nodes)
        }

    def set_run(self, run: Run) -> None:
        """Use this run's information."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run's information."""
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """As Flower does now."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """All nodes."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Keep the messages until their replies are asked for."""
        ids = []
        for message in messages:
            message.metadata.__dict__["_message_id"] = str(uuid4())
            self._pending[message.metadata.message_id] = message
            ids.append(message.metadata.message_id)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Run the client of the first of these messages and give its reply."""
        for message_id in message_ids:
            if message_id in self._pending:
                return [self._answer(self._pending.pop(message_id))]
        return []

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """All replies, in the order of the messages."""
        del timeout
        return [reply for message_id in self.push_messages(messages) for reply in self.pull_messages([message_id])]

    def _answer(self, message: Message) -> Message:
        """As a SuperNode does: an exception becomes an error reply."""
        try:
            return self._app(message, self._contexts[message.metadata.dst_node_id])
        except Exception as error:
            return Message(Error(_CLIENT_FAILED, type(error).__name__), reply_to=message)


Change = Callable[[str, str, Weights, Weights], Weights]
"""Part, server round, the weights sent to the site and those it trained -> the weights that it gives as trained."""


class AlteredGrid(InlineGrid):
    """An inline grid on which one node's training replies carry other weights than it trained."""

    def __init__(
        self, app: ClientApp, n_nodes: int, run_config: dict[str, bool | float | int | str], node: int, change: Change
    ) -> None:
        """`node` counts from 0."""
        super().__init__(app, n_nodes, run_config)
        self._altered, self._change = list(self.get_node_ids())[node], change

    def _answer(self, message: Message) -> Message:
        reply, metadata = super()._answer(message), message.metadata
        if metadata.dst_node_id != self._altered or metadata.message_type != "train.branches" or reply.has_error():
            return reply
        content = RecordDict(dict(reply.content))
        for part in parts_in(content):
            sent, trained = (
                from_record(record_of(own, ARRAYS + part, ArrayRecord)) for own in (message.content, content)
            )
            given = self._change(part, metadata.group_id, sent, trained)
            content[ARRAYS + part] = to_record(
                {name: np.asarray(given[name], dtype=own.dtype) for name, own in trained.items()}
            )
        return with_content(reply, content)
