"""`.tessera/audit.jsonl`: an entry a line, each with the digest of the one before and signed with the node key.

An entry is on the disk before what it tells of leaves. The log is only ever added to. Each message is answered by a
fresh process, so what an entry needs of those before is read from the log's end and from the tree beside it.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from logging import getLogger
from typing import Any

from client.node.home import Home
from client.node.keys import node_key
from modalities.core.files.journal import append_durably, last_line, lines_of, opened
from strategies.audit.statements import ENTRY, Head, canonical, signed_by_site
from strategies.audit.tree import SIZE, added, consistency, leaf_hash, n_nodes, root

_LOG = getLogger("tessera.client")
RECEIVED, SENT, TORN, ERASED = "received", "sent", "torn", "erased"
"""Directions of an entry; the last two are notes: that the line after the entry before was broken off by a crash, and
that what the site kept was erased."""
NOTHING_BEFORE = "0" * 64


def append(home: Home, direction: str, fields: Mapping[str, Any]) -> int:
    """Add an entry, and wait until the disk has it; its number, which is the size of the log with it.

    Raises:
        OSError: it cannot be written; then what it tells of must not leave.
        ValueError: the node key cannot be used, or a value is none that JSON knows.
    """
    key = node_key(home.key)
    with _locked(home) as log, opened(home.audit_tree) as tree:
        before, torn = last_line(log)
        size = _grown_to(home, log, tree, before)
        if torn:
            _set_aside(home, log, torn)
            fields_of_note = {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}
            before = _add(log, tree, size, before, TORN, fields_of_note, key)
            size += 1
        _add(log, tree, size, before, direction, fields, key)
    return size + 1


def head_at(home: Home, size: int) -> Head:
    """The head of the log as it was with so many entries."""
    with _locked(home), opened(home.audit_tree) as tree:
        return Head(size, root(size, lambda place: _node(tree, place)).hex())


def proof_between(home: Home, earlier: Head, size: int) -> str:
    """That the log of `size` entries begins with the one of the earlier head; empty where it does not."""
    if earlier.size > size or head_at(home, earlier.size) != earlier:
        return ""
    with _locked(home), opened(home.audit_tree) as tree:
        return " ".join(each.hex() for each in consistency(earlier.size, size, lambda place: _node(tree, place)))


@contextmanager
def _locked(home: Home) -> Iterator[int]:
    """The log, for one process at a time; made, for the site's own user alone, where it is not there."""
    home.folder.mkdir(mode=0o700, exist_ok=True)
    with opened(home.audit) as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        yield log


def _add(log: int, tree: int, size: int, before: bytes, direction: str, fields: Mapping[str, Any], key: Any) -> bytes:
    """Write one entry and the nodes that it completes; its line."""
    entry = {
        "number": size + 1,
        "before": hashlib.sha256(before).hexdigest() if size else NOTHING_BEFORE,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "direction": direction,
        **fields,
    }
    line = canonical(entry | {"signature": signed_by_site(ENTRY, entry, key)})
    append_durably(log, line + b"\n")
    append_durably(tree, b"".join(added(size, line, lambda place: _node(tree, place))))
    return line


def _grown_to(home: Home, log: int, tree: int, last: bytes) -> int:
    """How many entries the log has; where the tree is not that of the log, it is made again from it."""
    nodes, broken = divmod(os.fstat(tree).st_size, SIZE)
    sizes = range(nodes // 2, nodes // 2 + nodes.bit_length() + 1)
    size = next((n for n in sizes if n_nodes(n) == nodes and not broken), -1)
    if (size == 0 and not last) or (size > 0 and _node(tree, n_nodes(size - 1)) == leaf_hash(last)):
        return size
    if size:
        _LOG.warning("%s: made again, since it was not that of the log", home.audit_tree.name)
    made: list[bytes] = []
    count = 0
    for count, line in enumerate(lines_of(log), start=1):
        made += added(count - 1, line, made.__getitem__)
    os.ftruncate(tree, 0)
    append_durably(tree, b"".join(made))
    return count


def _set_aside(home: Home, log: int, torn: bytes) -> None:
    """Move a line that a crash broke off to a file of its own; what it tells of never left."""
    with opened(home.audit_torn) as kept:
        append_durably(kept, torn + b"\n")
    os.ftruncate(log, os.fstat(log).st_size - len(torn))
    _LOG.warning("%s: its last line was broken off, as by a crash; it is kept in %s", home.audit, home.audit_torn.name)


def _node(tree: int, place: int) -> bytes:
    return os.pread(tree, SIZE, place * SIZE)
