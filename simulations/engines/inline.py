"""A Flower Grid that runs the ClientApp in this process: the same ServerApp code, ClientApp and strategies, no network.

Clients run when their reply is asked for, one at a time and in the order asked, so a run repeats bit for bit and holds
no more than one reply.
"""

from collections.abc import Callable, Iterable
from logging import WARNING, getLogger
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp

from client.app import app
from client.study.session import site_folders
from strategies.exchange import with_content
from strategies.flower.grids import LocalGrid
from strategies.flower.messages import CLIENT_FAILED, be_server, give_id
from strategies.wire import ARRAYS, Weights, from_record, parts_in, record_of, to_record

_RUN = 1


class InlineGrid(LocalGrid):
    """Nodes 0 to n - 1 of a simulation, each with its own context."""

    def __init__(self, app: ClientApp, n_nodes: int, run_config: dict[str, bool | float | int | str]) -> None:
        """Every node gets its `partition-id`; the run config is shared."""
        super().__init__(_RUN)
        be_server(_RUN)
        getLogger("flwr").setLevel(WARNING)
        self._app = app
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

    def get_node_ids(self) -> Iterable[int]:
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Keep the messages until their replies are asked for."""
        ids = []
        for message in messages:
            ids.append(give_id(message))
            self._pending[ids[-1]] = message
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Run the client of the first of these messages and give its reply."""
        for message_id in message_ids:
            if message_id in self._pending:
                return [self._answer(self._pending.pop(message_id))]
        return []

    def _answer(self, message: Message) -> Message:
        """As a SuperNode does: an exception becomes an error reply."""
        try:
            return self._app(message, self._contexts[message.metadata.dst_node_id])
        except Exception as error:
            return Message(Error(CLIENT_FAILED, type(error).__name__), reply_to=message)


def grid_over(root: Path) -> InlineGrid:
    """A node for each site folder below `root`, which runs what a real site does."""
    return InlineGrid(app, len(site_folders(root)), {"site-root": str(root)})


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
