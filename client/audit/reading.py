"""The audit log as it is read again: its lines, what each says, and receipts from wherever they were kept."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.node.home import Home
from modalities.core.files.journal import last_line, lines_of, read_only
from modalities.core.problems import unusable
from strategies.audit.statements import Head, Receipt, receipt_from
from strategies.audit.tree import SIZE, n_nodes, root

Entry = dict[str, Any]
_RECEIPTS = "name the file that `tessera-server audit` wrote, or another site's witnessed.jsonl"


@dataclass(frozen=True)
class Log:
    """Everything in the file."""

    lines: list[bytes]
    torn: bytes
    """What stands after the last whole line, as after a crash."""

    def entries(self) -> list[Entry]:
        """What the lines say; one that says nothing readable is empty."""
        return [entry_in(line) for line in self.lines]


def read_log(home: Home) -> Log:
    """The whole log.

    Raises:
        ValueError: there is none.
    """
    if not home.audit.is_file():
        raise unusable("no such file", "a site's audit log begins with its first message", file=str(home.audit))
    with read_only(home.audit) as file:
        return Log(list(lines_of(file)), last_line(file)[1])


def head_of(home: Home) -> Head:
    """The head of the log by the tree beside it, which may lack an entry that is just being written.

    Raises:
        ValueError: the log has no entry yet, or the tree is not whole.
        OSError: there is no tree.
    """
    with read_only(home.audit_tree) as tree:
        nodes, broken = divmod(os.fstat(tree).st_size, SIZE)
        sizes = range(nodes // 2, nodes // 2 + nodes.bit_length() + 1)
        size = next((n for n in sizes if n_nodes(n) == nodes and not broken), 0)
        return Head(size, root(size, lambda place: os.pread(tree, SIZE, place * SIZE)).hex())


def entry_in(line: bytes) -> Entry:
    """What a line says; nothing where it is no entry."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def receipts_in(path: Path) -> list[Receipt]:
    """Receipts that `tessera-server audit` exported, or another site's witnessed.jsonl.

    Raises:
        ValueError: there is no such file, or something in it is no receipt.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise unusable(f"cannot be read: {error.strerror}", _RECEIPTS, file=str(path)) from error
    except UnicodeDecodeError as error:
        raise unusable("no receipts: not text in UTF-8", _RECEIPTS, file=str(path)) from error
    try:
        return [receipt_from(values) for values in _listed(text)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unusable(f"no receipts: {error}", _RECEIPTS, file=str(path)) from None


def _listed(text: str) -> Iterator[Any]:
    try:
        yield from json.loads(text)["receipts"]
    except (json.JSONDecodeError, KeyError):
        yield from (json.loads(line) for line in text.splitlines())
