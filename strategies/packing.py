"""Arrays on their way through Flower: all of a record in one, in safetensors' format.

Flower sends every array as two objects with requests of their own, and its SuperLink needs about 10 ms for each: more
than all else of a short round. So a record that leaves a process is packed into one array of bytes. In one process
nothing is packed: there the arrays are handed over as they are.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from safetensors.numpy import load, save

from strategies.wire import from_record, to_record

PACKED = "safetensors"
"""The name of the one array."""


class PackingGrid(Grid):
    """A grid whose messages travel packed; whoever pushes and pulls them sees them as they are."""

    def __init__(self, grid: Grid) -> None:
        """Wrap Flower's grid."""
        self._grid = grid

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Push them packed; a record that goes to several sites is packed once."""
        messages, made = list(messages), {}
        contents = [message.content for message in messages]
        for message in messages:
            message.content = packed(message.content, made)
        ids = list(self._grid.push_messages(messages))
        for message, content in zip(messages, contents, strict=True):
            message.content = content
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that are there; one that cannot be unpacked stays as it came, and is refused for that."""
        replies = list(self._grid.pull_messages(message_ids))
        for reply in replies:
            if reply.has_content():
                reply.content = unpacked(reply.content)
        return replies

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Not packed: Tessera does not use it."""
        return self._grid.send_and_receive(messages, timeout=timeout)

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        """As Flower does; Tessera does not use it."""
        return self._grid.create_message(*args, **kwargs)

    def get_node_ids(self) -> Iterable[int]:
        """As Flower says."""
        return self._grid.get_node_ids()

    def set_run(self, run: Run) -> None:
        """As Flower does."""
        self._grid.set_run(run)

    @property
    def run(self) -> Run:
        """As Flower says."""
        return self._grid.run


def is_packed(content: RecordDict) -> bool:
    """Whether any of its records is."""
    return any(isinstance(record, ArrayRecord) and list(record) == [PACKED] for record in content.values())


def packed(content: RecordDict, made: dict[int, ArrayRecord] | None = None) -> RecordDict:
    """The same with each record of arrays packed; `made` holds what was packed before, by identity."""
    made = {} if made is None else made
    found = RecordDict()
    for key, record in content.items():
        if not isinstance(record, ArrayRecord):
            found[key] = record
            continue
        if id(record) not in made:
            made[id(record)] = _pack(record)
        found[key] = made[id(record)]
    return found


def unpacked(content: RecordDict) -> RecordDict:
    """The inverse; a record whose bytes cannot be read stays packed."""
    found = RecordDict()
    for key, record in content.items():
        found[key] = _unpack(record) if isinstance(record, ArrayRecord) else record
    return found


def _pack(record: ArrayRecord) -> ArrayRecord:
    arrays = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in from_record(record).items()}
    return to_record({PACKED: np.frombuffer(save(arrays), dtype=np.uint8)}) if arrays else record


def _unpack(record: ArrayRecord) -> ArrayRecord:
    if list(record) != [PACKED]:
        return record
    try:
        return to_record(load(record[PACKED].numpy().tobytes()))
    except Exception:  # NumPy's reader promises no particular one for bytes that it did not write
        return record
