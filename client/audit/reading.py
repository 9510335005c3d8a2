"""The audit log as it is read again: its lines, what each says, and receipts from wherever they were kept."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.node.home import Home
from modalities.core.files.journal import last_line, lines_of, opened
from modalities.core.problems import unusable
from strategies.audit.statements import Receipt, receipt_from

Entry = dict[str, Any]


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
    with opened(home.audit) as file:
        return Log(list(lines_of(file)), last_line(file)[1])


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
    except (OSError, UnicodeDecodeError) as error:
        raise unusable(f"cannot be read: {error}", file=str(path)) from error
    try:
        return [receipt_from(values) for values in _listed(text)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "name the file that `tessera-server audit` wrote, or another site's witnessed.jsonl"
        raise unusable(f"no receipts: {error}", remedy, file=str(path)) from None


def _listed(text: str) -> Iterator[Any]:
    try:
        yield from json.loads(text)["receipts"]
    except (json.JSONDecodeError, KeyError):
        yield from (json.loads(line) for line in text.splitlines())
