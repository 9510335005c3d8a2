"""Messages on their way through Flower: the records of a modality in one, in safetensors' format.

Flower sends every record and every array as objects with requests of their own, and its SuperLink needs about 10 ms for
each: more than all else of a short round. So what leaves a process is packed into few records of bytes. In one process
nothing is packed: there the arrays are handed over as they are.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from safetensors.numpy import load, save

from strategies.wire import ARRAYS, CONFIG, METRICS, SEPARATOR, from_record, owner_of, to_record

PACKED, TOGETHER = "packed.", "all"
_LIST = "records"
"""The entry that says which records there are, as JSON, with the values of those that hold no arrays."""
_SMALL = 64 * 2**10
"""Bytes of arrays up to which an owner's records travel with those of others."""
BLOCK = 4 * 2**20
"""Bytes of a record at most: Flower cuts arrays into 5 MiB, and the gateway takes 8 MiB in a request."""
_KINDS = {ARRAYS: ArrayRecord, CONFIG: ConfigRecord, METRICS: MetricRecord}


class PackingGrid(Grid):
    """A grid whose messages travel packed; whoever pushes and pulls them sees them as they are."""

    def __init__(self, grid: Grid) -> None:
        """Wrap Flower's grid."""
        self._grid = grid

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Push them packed; what goes to several sites is packed once."""
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
    """Whether it came packed."""
    return any(key.startswith(PACKED) for key in content)


def packed(content: RecordDict, made: dict[Any, list[ConfigRecord]] | None = None) -> RecordDict:
    """The same in few records, each owner's by themselves: sites that share a modality are then sent the same ones.

    `made` holds what was packed before.
    """
    made = {} if made is None else made
    found = RecordDict()
    for group, records in _groups(content).items():
        plain = {key: None if isinstance(record, ArrayRecord) else dict(record) for key, record in records.items()}
        held, listed = {key: own for key, own in records.items() if isinstance(own, ArrayRecord)}, json.dumps(plain)
        same = (listed, *map(id, held.values()))
        if same not in made:
            made[same] = _blocks(held, listed)
        for number, block in enumerate(made[same]):
            found[f"{PACKED}{group}.{number}"] = block
    return found


def unpacked(content: RecordDict) -> RecordDict:
    """The inverse; a group whose bytes cannot be read stays packed."""
    found, groups = RecordDict(), defaultdict(dict)
    for key, record in content.items():
        if key.startswith(PACKED):
            groups[key.rpartition(".")[0]][key] = record
        else:
            found[key] = record
    for blocks in groups.values():
        try:
            in_order = sorted(blocks, key=lambda key: int(key.rpartition(".")[2]))
            records = _read(b"".join(blocks[key]["bytes"] for key in in_order))
        except Exception:  # NumPy's reader promises no particular one for bytes that it did not write
            records = blocks
        for key, record in records.items():
            found[key] = record
    return found


def _groups(content: RecordDict) -> dict[str, dict[str, Any]]:
    """The records by owner; those of owners with little share a group."""
    owners: dict[str, dict[str, Any]] = defaultdict(dict)
    for key, record in content.items():
        owners[owner_of(key.partition(".")[2])][key] = record
    groups: dict[str, dict[str, Any]] = defaultdict(dict)
    for owner, records in owners.items():
        arrays = [array for own in records.values() if isinstance(own, ArrayRecord) for array in own.values()]
        groups[owner if sum(array.numpy().nbytes for array in arrays) > _SMALL else TOGETHER] |= records
    return groups


def _blocks(held: dict[str, ArrayRecord], listed: str) -> list[ConfigRecord]:
    arrays = {
        f"{key}{SEPARATOR}{name}": np.ascontiguousarray(array).reshape(array.shape)
        for key, record in held.items()
        for name, array in from_record(record).items()
    }
    whole = save({_LIST: np.frombuffer(listed.encode(), dtype=np.uint8), **arrays})
    return [ConfigRecord({"bytes": whole[at : at + BLOCK]}) for at in range(0, len(whole), BLOCK)]


def _int64(digits: str) -> int:
    """What Flower's own records can hold: JSON knows no bound, and 10**400 is not even a float."""
    number = int(digits)
    if not -(2**63) <= number < 2**63:
        raise ValueError("a whole number of more than 64 bits")
    return number


def _read(whole: bytes) -> dict[str, Any]:
    """Records by their key, in the order in which they were packed."""
    arrays = load(whole)
    plain = json.loads(arrays.pop(_LIST).tobytes(), parse_int=_int64)
    records: dict[str, dict[str, Any]] = {key: values or {} for key, values in plain.items()}
    for name, array in arrays.items():
        key, _, own = name.partition(SEPARATOR)
        records[key][own] = array
    kinds = {key: _KINDS[f"{key.partition('.')[0]}."] for key in records}
    return {key: to_record(own) if kinds[key] is ArrayRecord else kinds[key](own) for key, own in records.items()}
