"""docs/privacy.md as the tests read it: its tables, and whether messages hold what is listed there and no more."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flwr.app import Array, ArrayRecord, Message, RecordDict

from modalities.core.model.calibration import GRID
from modalities.core.model.conformal import N_BINS
from modalities.core.settings.federation import Federation
from strategies.evaluation.ece import ECE_BINS
from strategies.evaluation.names import GAIN, SENT, every
from strategies.evaluation.tally import N_BINS as SCORE_BINS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "privacy.md"
NOTHING = "nothing"


@dataclass(frozen=True)
class Entry:
    """One name of one row of the page's list of what messages hold."""

    message: str
    record: str
    name: str
    numbers: str
    when: str

    def __str__(self) -> str:
        return f"{self.message}, {self.record}, {self.name}"


@dataclass(frozen=True)
class Found:
    """One value of one message that left a site."""

    message: str
    record: str
    name: str
    value: Any
    sent: RecordDict
    """What the site was sent, which this replies to."""

    def __str__(self) -> str:
        what = f"{self.value.dtype}{list(self.value.shape)}" if isinstance(self.value, Array) else repr(self.value)
        return f"{self.message}, {self.record}, {self.name}: {what}"


def table(*header: str) -> list[dict[str, str]]:
    """The rows of the page's table whose first columns are headed so."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if tuple(_cells(line)[: len(header)]) == header)
    columns, rows = _cells(lines[start]), []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(columns, _cells(line), strict=True)))
    return rows


def names_in(cell: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def entries() -> list[Entry]:
    """The list of what messages hold."""
    return [
        Entry(message, record, name, row["numbers"], row["when"])
        for row in table("message", "record", "name")
        for message in names_in(row["message"])
        for record in names_in(row["record"])
        for name in names_in(row["name"])
    ]


def compare(
    listed: Sequence[Entry], asked: Iterable[Message], replies: Iterable[Message], federation: Federation
) -> tuple[list[str], list[Entry]]:
    """What the replies hold that is not listed, and the entries that occurred."""
    by_id = {message.metadata.message_id: message for message in asked}
    shared = _shared_statistics(by_id.values())
    unlisted, occurred = [], set()
    for reply in replies:
        for found in _found(reply, by_id[reply.metadata.reply_to_message_id].content):
            entry = next((entry for entry in listed if _is(entry, found, federation, shared)), None)
            if entry is None:
                unlisted.append(str(found))
            else:
                occurred.add(entry)
        for record, name in _hidden(reply):
            names = [
                entry
                for entry in listed
                if entry.message == reply.metadata.message_type
                and re.fullmatch(_pattern(entry.record, federation), record)
                and _names(entry.name, name, federation)
            ]
            occurred.update(names)
            unlisted += [f"{reply.metadata.message_type}, {record}, {name}, masked"] * (not names)
    return sorted(set(unlisted)), [entry for entry in listed if entry in occurred]


def _found(reply: Message, sent: RecordDict) -> list[Found]:
    if reply.has_error():
        error = {"code": reply.error.code, "reason": reply.error.reason}
        return [Found("any", "error", name, value, sent) for name, value in error.items()]
    return [
        Found(reply.metadata.message_type, key, name, value, sent)
        for key, record in (reply.content.items() or [(NOTHING, {})])
        for name, value in (record.items() or [(NOTHING, None)])
    ]


def _hidden(reply: Message) -> set[tuple[str, str]]:
    """Record and name of all that a reply holds masked, by the layouts that it tells."""
    layouts = [] if reply.has_error() else [own["layout"] for own in reply.content.values() if "layout" in own]
    plain = [json.loads(str(layout)) for layout in layouts]
    return {
        (f"{kind}.{part}", name)
        for layout in plain
        for kind in ("arrays", "metrics")
        for part, name, *_ in layout[kind]
    }


def _shared_statistics(asked: Iterable[Message]) -> dict[str, int]:
    """By record, the number of features that the study's shared statistics have."""
    return {
        key: record["mean"].shape[0]
        for message in asked
        if message.metadata.message_type == "query.setup"
        for key, record in message.content.items()
        if isinstance(record, ArrayRecord)
    }


def _is(entry: Entry, found: Found, federation: Federation, n_features: Mapping[str, int]) -> bool:
    return (
        entry.message in ("any", found.message)
        and re.fullmatch(_pattern(entry.record, federation), found.record) is not None
        and _names(entry.name, found.name, federation)
        and _has_the_numbers(entry.numbers, found, federation.n_classes, n_features)
    )


def _pattern(record: str, federation: Federation) -> str:
    """The record's name as an expression: <modality>, <part> (a branch or a fold copy), <owner> (of the head)."""
    names = "|".join(re.escape(name) for name in federation.modalities)
    pattern = re.escape(record)
    group = f"({names}|shared|study|fusion\\.({names}|shared))"
    words = {"modality": f"({names})", "part": rf"({names})(@\d+)?", "owner": f"({names}|shared)", "group": group}
    for word, own in words.items():
        pattern = pattern.replace(f"<{word}>", own)
    return pattern


def _names(listed: str, name: str, federation: Federation) -> bool:
    """Whether a name is the listed one: <parameter> is any, <scored> the cases, model and SET that a number is of."""
    places = [".".join(place) for place in every(federation.modalities, (*SENT, GAIN))]
    words = [re.escape(place) for place in places] if "<scored>" in listed else []
    pattern = re.escape(listed).replace("<scored>", f"({'|'.join(words)})")
    return listed == "<parameter>" or re.fullmatch(pattern, name) is not None


def _has_the_numbers(numbers: str, found: Found, n_classes: int, n_features: Mapping[str, int]) -> bool:
    """Whether the value is of the size that the page says: none grows with the number of cases."""
    value = found.value
    if not isinstance(value, Array):
        kinds = {"text": str, "1 whole number": int, "1 number": float, "none": type(None), "bytes": bytes}
        kinds["yes or no"] = bool
        return type(value) is kinds.get(numbers) or (numbers == "bytes a site" and _are_boxes(value))
    if numbers in _MASKED:
        return (value.dtype, len(value.shape)) in _MASKED[numbers]
    if numbers == "as sent":
        record = found.sent.get(found.record)
        same = record.get(found.name) if isinstance(record, ArrayRecord) else None
        return same is not None and (tuple(same.shape), same.dtype) == (tuple(value.shape), value.dtype)
    shapes: Mapping[str, tuple[int, ...]] = {
        "1": (1,),
        "1 a class": (n_classes,),
        "1 a feature": (n_features.get(found.record, 0),),
        "33": (33,),
        "161": GRID.shape,
        "100 a class": (n_classes, N_BINS),
        "200 a class": (n_classes, SCORE_BINS),
        "1 a class and class": (n_classes, n_classes),
        "3 a class": (n_classes, 3),
        "3 a bin": (3, ECE_BINS),
        "2": (2,),
        "3": (3,),
        "4": (4,),
    }
    return value.dtype == "float64" and tuple(value.shape) == shapes.get(numbers)


_MASKED = {
    "1 word a number, 2 words a number": {("uint64", 1), ("uint32", 1), ("uint64", 2)},
    "32 a secret": {("uint8", 3)},
}


def _are_boxes(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(box, bytes) for box in value)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
