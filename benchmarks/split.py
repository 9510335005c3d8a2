"""Where the seconds of a round go: the way of one message, cut at the steps that the processes noted."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PARTS = ("process start", "import", "opening", "training", "transfer", "polling", "server")
TRAIN = "train.branches"
Note = Mapping[str, Any]


@dataclass(frozen=True)
class Span:
    """When a step began and when it ended, in seconds of one clock."""

    began: float
    ended: float


@dataclass(frozen=True)
class Way:
    """One message to a site and its reply; the steps in the order in which the reply depends on them."""

    pushed: Span
    """The coordinator sends it, and those to the other sites, to the SuperLink."""
    announced: float
    """The SuperNode asked, and heard of it."""
    here: float
    """All of it is at the SuperNode."""
    launched: float
    """The SuperNode's helper starts a program for it."""
    begins: float
    """That program's process is there."""
    fetched: Span
    """The program takes the message from the SuperNode."""
    call: Span
    """The study's code at the site runs."""
    trained: float
    """Seconds of it that trained and scored; the rest opened the site's data."""
    handed: Span
    """The program gives the reply to the SuperNode."""
    sent: Span
    """The SuperNode sends it to the SuperLink."""
    taken: Span
    """The coordinator takes it from there."""
    others: Sequence[Span] = ()
    """The coordinator takes other sites' replies."""


@dataclass(frozen=True)
class Round:
    """One round: its slowest site, and the seconds of each part, which add up to its length."""

    began: float
    ended: float
    site: str
    parts: Mapping[str, float]


def split(way: Way, ended: float) -> dict[str, float]:
    """Seconds of each part from the push to the end of the round.

    Steps that overlap count once, for the earlier of them: what a later step did while an earlier one still ran cost
    nothing. While the coordinator takes another site's reply, this one waits for a transfer, not for a poll.
    """
    cuts = (
        ("transfer", way.pushed.ended),
        ("polling", way.announced),
        ("transfer", min(way.here, way.launched)),
        ("polling", way.launched),
        ("process start", way.begins),
        ("import", way.fetched.began),
        ("transfer", way.fetched.ended),
        ("import", way.call.began),
        ("training", way.call.ended),
        ("transfer", min(way.handed.ended, way.sent.began)),
        ("polling", way.sent.began),
        ("transfer", min(way.sent.ended, way.taken.began)),
        ("polling", way.taken.began),
        ("transfer", way.taken.ended),
        ("server", ended),
    )
    parts, now = dict.fromkeys(PARTS, 0.0), way.pushed.began
    for part, cut in cuts:
        parts[part] += max(0.0, cut - now)
        now = max(now, cut)
    waited = Span(way.sent.ended, way.taken.began)
    behind = sum(max(0.0, min(own.ended, waited.ended) - max(own.began, waited.began)) for own in way.others)
    opened = way.call.ended - way.call.began - way.trained
    for part, other, seconds in (("polling", "transfer", behind), ("training", "opening", opened)):
        parts[part] -= seconds
        parts[other] += seconds
    return parts


def rounds_in(notes: Sequence[Note], sites: Mapping[int, str]) -> list[Round]:
    """Every round of training, by its slowest site; `sites` is by node.

    Raises:
        ValueError: a step of a message is missing, or the parts of a round do not add up to its length.
    """
    pushes = sorted((note for note in notes if note["step"] == "push"), key=lambda note: note["began"])
    trail = _Trail(notes)
    found = []
    for push, following in itertools.pairwise(pushes):
        messages = [own for own in push["messages"] if own["type"] == TRAIN]
        ways = {sites[own["node"]]: trail.way(push, own["message"]) for own in messages}
        if ways:
            site = max(ways, key=lambda name: ways[name].taken.ended)
            parts = split(ways[site], following["began"])
            found.append(Round(push["began"], following["began"], site, parts))
    for number, own in enumerate(found, start=1):
        if abs(sum(own.parts.values()) - (own.ended - own.began)) > 1e-3 or min(own.parts.values()) < -1e-3:
            raise ValueError(f"round {number}: {own.parts} do not add up to {own.ended - own.began:.3f} s")
    return found


def notes_in(file: Path) -> list[Note]:
    """What the probe wrote."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@dataclass
class _Trail:
    """The notes, to be found by step and by what they are of."""

    notes: Iterable[Note]
    by_key: dict[tuple[str, str, Any], list[Note]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for note in self.notes:
            for key in ("message", "reply", "task", "pid"):
                if key in note:
                    self.by_key[note["step"], key, note[key]].append(note)

    def way(self, push: Note, message: str) -> Way:
        """What became of one message."""
        task, handed = self._one("input", "message", message), self._one("reply", "message", message)
        send = self._one("send", "message", message)
        taken = self._one("fetch", "reply", handed["reply"])
        call = self._inside("call", task["pid"], task["ended"], handed["began"])
        trained = self.by_key["train", "pid", task["pid"]]
        begun = [own["ended"] for own in self.by_key["begins", "pid", task["pid"]] if own["ended"] <= task["began"]]
        return Way(
            pushed=_span(push),
            announced=self._one("announced", "message", message)["ended"],
            here=self._one("here", "message", message)["ended"],
            launched=self._one("launch", "task", task["task"])["began"],
            begins=max(begun),
            fetched=_span(task),
            call=_span(call),
            trained=sum(own["ended"] - own["began"] for own in trained if _within(own, call)),
            handed=_span(handed),
            sent=Span(send["began"], self._inside("sent", send["pid"], send["began"])["ended"]),
            taken=_span(taken),
            others=[_span(own) for own in self.notes if own["step"] == "fetch" and own is not taken],
        )

    def _one(self, step: str, key: str, value: Any) -> Note:
        found = self.by_key[step, key, value]
        if not found:
            raise ValueError(f"no process noted {step} of {key} {value}")
        return found[0]

    def _inside(self, step: str, pid: int, began: float, ended: float = float("inf")) -> Note:
        """The first note of this step and process that ends in this time."""
        found = [own for own in self.by_key[step, "pid", pid] if began <= own["ended"] <= ended]
        if not found:
            raise ValueError(f"process {pid} noted no {step} after {began:.3f}")
        return min(found, key=lambda own: own["ended"])


def _span(note: Note) -> Span:
    return Span(note["began"], note["ended"])


def _within(note: Note, other: Note) -> bool:
    return other["began"] <= note["began"] and note["ended"] <= other["ended"]
