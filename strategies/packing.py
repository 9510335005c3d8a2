"""Messages on their way through Flower: the records of a modality, or of a reply, in one, in safetensors' format.

Flower sends every record and every array as objects with requests of their own, and its SuperLink needs about 10 ms for
each: more than all else of a short round. So what leaves a process is packed into few records of bytes. In one process
nothing is packed: there the arrays are handed over as they are.
"""

import json
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from safetensors.numpy import load, save

from strategies.flower.grids import WrappedGrid
from strategies.flower.pace.blocks import Block
from strategies.wire import ARRAYS, CONFIG, METRICS, SEPARATOR, from_record, owner_of, to_record

PACKED, TOGETHER = "packed.", "all"
_LIST = "records"
"""The entry that says which records there are, as JSON, with the values of those that hold no arrays."""
_BYTES = "bytes in base64"
_SMALL = 64 * 2**10
"""Bytes of arrays up to which an owner's records travel with those of others."""
BLOCK = 4 * 2**20
"""Bytes of a record at most: Flower cuts arrays into 5 MiB, and the gateway takes 8 MiB in a request."""
_MOST_HEADER = 4 * 2**20
"""Bytes that say which arrays there are: 40,000 of them, read in a second."""
_KINDS = {ARRAYS: ArrayRecord, CONFIG: ConfigRecord, METRICS: MetricRecord}


class PackingGrid(WrappedGrid):
    """A grid whose messages travel packed; those who push and pull them see plain records."""

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Pack and push; what several sites are sent is packed once."""
        messages, made = list(messages), {}
        contents = [message.content for message in messages]
        for message in messages:
            message.content = packed(message.content, made)
        ids = list(self._grid.push_messages(messages))
        for message, content in zip(messages, contents, strict=True):
            message.content = content
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that have arrived; one that cannot be unpacked stays packed, and so lacks its records."""
        replies = list(self._grid.pull_messages(message_ids))
        for reply in replies:
            if reply.has_content():
                reply.content = unpacked(reply.content)
        return replies


def is_packed(content: RecordDict) -> bool:
    """Whether a message is packed."""
    return any(key.startswith(PACKED) for key in content)


def packed(content: RecordDict, made: dict[Any, list[Block]] | None = None) -> RecordDict:
    """The same content in few records.

    `made`, where several sites are sent a part each, keeps what was packed for those before: then there is one group
    per owner, so that sites with a modality in common share its records. Without it all records go together.
    """
    groups = {TOGETHER: dict(content.items())} if made is None else _groups(content)
    made = {} if made is None else made
    few = RecordDict()
    for group, records in groups.items():
        plain = {key: None if isinstance(record, ArrayRecord) else dict(record) for key, record in records.items()}
        arrays = {key: record for key, record in records.items() if isinstance(record, ArrayRecord)}
        listed = json.dumps(plain, default=_bytes_as_text)
        same = (listed, *map(id, arrays.values()))
        if same not in made:
            made[same] = _blocks(arrays, listed)
        for number, block in enumerate(made[same]):
            few[f"{PACKED}{group}.{number}"] = block
    return few


def unpacked(content: RecordDict) -> RecordDict:
    """The inverse; a group whose bytes cannot be read stays packed."""
    plain, groups = RecordDict(), defaultdict(dict)
    for key, record in content.items():
        if key.startswith(PACKED):
            groups[key.rpartition(".")[0]][key] = record
        else:
            plain[key] = record
    for blocks in groups.values():
        try:
            in_order = sorted(blocks, key=lambda key: int(key.rpartition(".")[2]))
            records = _read(b"".join(blocks[key]["bytes"] for key in in_order))
        except Exception:  # NumPy's reader promises no particular one for bytes that it did not write
            records = blocks
        for key, record in records.items():
            plain[key] = record
    return plain


def _groups(content: RecordDict) -> dict[str, dict[str, Any]]:
    """The records by owner; owners with little to send share a group."""
    owners: dict[str, dict[str, Any]] = defaultdict(dict)
    for key, record in content.items():
        owners[owner_of(key.partition(".")[2])][key] = record
    groups: dict[str, dict[str, Any]] = defaultdict(dict)
    for owner, records in owners.items():
        arrays = [array for own in records.values() if isinstance(own, ArrayRecord) for array in own.values()]
        groups[owner if sum(array.numpy().nbytes for array in arrays) > _SMALL else TOGETHER] |= records
    return groups


def _blocks(records: dict[str, ArrayRecord], listed: str) -> list[Block]:
    arrays = {
        f"{key}{SEPARATOR}{name}": np.ascontiguousarray(array).reshape(array.shape)
        for key, record in records.items()
        for name, array in from_record(record).items()
    }
    whole = save({_LIST: np.frombuffer(listed.encode(), dtype=np.uint8), **arrays})
    return [Block(whole[at : at + BLOCK]) for at in range(0, len(whole), BLOCK)]


def _bytes_as_text(value: object) -> dict[str, str]:
    """Bytes in a record, which JSON knows not."""
    if not isinstance(value, bytes):
        raise TypeError(f"records hold no {type(value).__name__}")
    return {_BYTES: b64encode(value).decode()}


def _bytes_again(entry: dict[str, Any]) -> Any:
    return b64decode(entry[_BYTES], validate=True) if entry.keys() == {_BYTES} else entry


def _int64(digits: str) -> int:
    """What Flower's own records can hold: JSON knows no bound, and 10**400 is not even a float."""
    number = int(digits)
    if not -(2**63) <= number < 2**63:
        raise ValueError("a whole number of more than 64 bits")
    return number


def _read(whole: bytes) -> dict[str, Any]:
    """Records by their key, in the order in which they were packed."""
    if int.from_bytes(whole[:8], "little") > _MOST_HEADER:  # where safetensors says how long its header is
        raise ValueError("a list of arrays that is longer than any study's")
    arrays = load(whole)
    plain = json.loads(arrays.pop(_LIST).tobytes(), parse_int=_int64, object_hook=_bytes_again)
    records: dict[str, dict[str, Any]] = {key: values or {} for key, values in plain.items()}
    for name, array in arrays.items():
        key, _, own = name.partition(SEPARATOR)
        records[key][own] = array
    kinds = {key: _KINDS[f"{key.partition('.')[0]}."] for key in records}
    return {key: to_record(own) if kinds[key] is ArrayRecord else kinds[key](own) for key, own in records.items()}
