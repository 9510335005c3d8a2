"""What the probe wrote, put together: every round of training by its slowest site."""

import itertools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.split import CPU_PARTS, Leg, Round, Span, Way, split

TRAIN, OPEN = "train.branches", "query.unmask"
_OFF_S = 1e-3
Note = Mapping[str, Any]


def notes_in(file: Path) -> list[Note]:
    """The probe's lines, as they were written."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def rounds_in(notes: Sequence[Note], sites: Mapping[int, str], kind: str = TRAIN) -> list[Round]:
    """Every round of training, by its slowest site; or the trip after each, which opens its sum under masks.

    `sites` is by node.

    Raises:
        ValueError: a step of a message is missing, or the parts of a round do not add up to its length.
    """
    pushes = sorted((note for note in notes if note["step"] == "push"), key=lambda note: note["began"])
    trail, found = Trail(notes), []
    before = ""
    for push, following in itertools.pairwise(pushes):
        types = {own["type"] for own in push["messages"]}
        messages = [own for own in push["messages"] if own["type"] == kind and (kind == TRAIN or before == TRAIN)]
        before = TRAIN if TRAIN in types else ""
        ways = {sites[own["node"]]: trail.way(push, own["message"]) for own in messages}
        if ways:
            site = max(ways, key=lambda name: ways[name].taken.ended)
            parts = split(ways[site], following["began"])
            cpu = {part: mean(own.cpu[part] for own in ways.values()) for part in CPU_PARTS}
            found.append(Round(push["began"], following["began"], site, parts, cpu))
    for number, own in enumerate(found, start=1):
        if abs(sum(own.parts.values()) - (own.ended - own.began)) > _OFF_S or min(own.parts.values()) < -_OFF_S:
            raise ValueError(f"round {number}: {own.parts} do not add up to {own.ended - own.began:.3f} s")
    return found


@dataclass
class Trail:
    """The notes, to be found by step and by what they are of."""

    notes: Sequence[Note]
    by_key: dict[tuple[str, str, Any], list[Note]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for note in self.notes:
            for key in ("message", "reply", "task", "pid"):
                if key in note:
                    self.by_key[note["step"], key, note[key]].append(note)

    def way(self, push: Note, message: str) -> Way:
        """What became of one message.

        Raises:
            ValueError: a process did not note a step of it.
        """
        asked, handed = self._one("input", "message", message), self._one("reply", "message", message)
        announced, here = self._one("announced", "message", message), self._one("here", "message", message)
        send, taken = self._one("send", "message", message), self._one("fetch", "reply", handed["reply"])
        call = self._within("call", asked["pid"], asked["ended"], handed["began"])[0]
        sent = self._within("sent", send["pid"], send["began"])[0]
        objects = self.by_key["send object", "pid", send["pid"]]
        pulled = self._within("fetch", here["pid"], announced["ended"], here["began"])[-1]
        others = [own for own in self.by_key["fetch", "pid", taken["pid"]] if own is not taken]
        return Way(
            pushed=_span(push),
            announced=announced["ended"],
            pulled=Leg(pulled["began"], here["ended"], [*_moving(pulled), _span(here)]),
            launched=self._one("launch", "task", asked["task"])["began"],
            begins=self._within("begins", asked["pid"], 0.0, asked["began"])[-1]["ended"],
            asked=_span(asked),
            fetched=_leg(self._within("fetch", asked["pid"], asked["began"], asked["ended"])[-1]),
            call=_span(call),
            trained=sum(own["ended"] - own["began"] for own in self._trained(call)),
            handed=_span(handed),
            sent=Leg(send["began"], sent["ended"], [_span(own) for own in (send, *objects)]),
            taken=_leg(taken),
            others=[span for own in others for span in _moving(own)],
            cpu=_cpu_of(asked, call, self._trained(call), handed),
        )

    def _trained(self, call: Note) -> list[Note]:
        found = self.by_key["train", "pid", call["pid"]]
        return [own for own in found if call["began"] <= own["began"] and own["ended"] <= call["ended"]]

    def _one(self, step: str, key: str, value: Any) -> Note:
        found = self.by_key[step, key, value]
        if not found:
            raise ValueError(f"no process noted {step} of {key} {value}")
        return found[0]

    def _within(self, step: str, pid: int, began: float, ended: float = float("inf")) -> list[Note]:
        """The notes of this step and process that end in this time, in their order."""
        found = [own for own in self.by_key[step, "pid", pid] if began <= own["ended"] <= ended]
        if not found:
            raise ValueError(f"process {pid} noted no {step} from {began:.3f} to {ended:.3f}")
        return sorted(found, key=lambda own: own["ended"])


def _cpu_of(asked: Note, call: Note, trained: Sequence[Note], handed: Note) -> dict[str, float]:
    """CPU seconds of a task's own process, which begins with none."""
    training, called = sum(map(_cpu, trained)), _cpu(call)
    imported = asked["cpu"][0] + call["cpu"][0] - asked["cpu"][1]
    rest = handed["cpu"][1] - imported - called
    return dict(zip(CPU_PARTS, (imported, called - training, training, rest), strict=True))


def _cpu(note: Note) -> float:
    return note["cpu"][1] - note["cpu"][0]


def _span(note: Note) -> Span:
    return Span(note["began"], note["ended"])


def _leg(note: Note) -> Leg:
    return Leg(note["began"], note["ended"], _moving(note))


def _moving(note: Note) -> list[Span]:
    return [Span(*own) for own in note["moving"]]
