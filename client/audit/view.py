"""The audit log in words: a section for all that went on under the same settings and code."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from client.audit.log import ERASED, RECEIVED, SENT, TORN
from client.audit.reading import Entry

MEANINGS: Mapping[str, str] = {
    "query.capabilities": "who this site is, which modalities it has, and of how many cases",
    "query.peers": "that the other sites' keys are those of the roster that this site approved",
    "query.counts": "how many cases have each feature, and how many are of each class",
    "query.statistics": "counts and sums by feature and by class",
    "query.setup": "with which modalities this site takes part",
    "query.unmask": "shares of secrets that open the sum of the answers before, and no single one",
    "train.branches": "the weights of each branch after a round of training here",
    "evaluate.branches": "how well the final weights fit the cases kept out",
    "train.fusion": "the gradient of the head that joins modalities",
    "query.calibration": "the joined model's loss by temperature",
    "query.conformal": "histograms of scores by class",
    "query.local": "whether this site's own model, which stays here, is trained",
    "query.scoring": "that this site scored its cases with the finished model",
    "query.evaluable": "how many cases could be scored, by class",
    "query.evaluation": "how good the finished model is here, and this site's own: counts and histograms",
    "query.own_evaluation": "what this site's policy lets out; with `full`, its own AUROCs and their variances",
}
"""What the reply to each message tells."""
_MOST_LINES = 12
"""Different contents of a kind of message that are written out in its summary."""
_ARROWS = {RECEIVED: "came", SENT: "left", TORN: "note", ERASED: "note"}


@dataclass(frozen=True)
class Row:
    """One entry."""

    number: int
    time: str
    """By this machine's clock and zone."""
    way: str
    """`came`, `left` or `note`."""
    message: str
    meaning: str
    holds: list[str]
    """Record by record, what is in it."""
    outline: list[str]
    """The same by names, types and shapes, without numbers; fold copies of a branch are `@n`."""
    smallest_group: int
    """Sites in the smallest group that a part of it is masked among; 0 where nothing is."""
    groups: list[str]
    epsilon: float
    sha256: str


@dataclass(frozen=True)
class Section:
    """All entries under the same settings and code."""

    study: str
    code: str
    approved: str
    """When and how the site approved this code."""
    agreed: bool
    """The settings are those of the site's own copy."""
    rosters: list[str]
    coordinators: list[str]
    rows: list[Row] = field(default_factory=list)

    @property
    def left(self) -> list[Row]:
        """The replies."""
        return [row for row in self.rows if row.way == "left"]

    @property
    def smallest_group(self) -> int:
        """Over all replies; 0 where none is masked."""
        return min((row.smallest_group for row in self.left if row.smallest_group), default=0)

    @property
    def epsilon(self) -> float:
        """What all replies spent."""
        return sum(row.epsilon for row in self.left)

    def kinds(self) -> list[dict[str, Any]]:
        """The replies by kind of message: how many, what they held, and among how many sites they were masked."""
        kinds: dict[str, list[Row]] = {}
        for row in self.left:
            kinds.setdefault(row.message, []).append(row)
        return [
            {
                "message": message,
                "meaning": rows[0].meaning,
                "n": len(rows),
                "first": rows[0].time,
                "last": rows[-1].time,
                "holds": (holds := sorted({line for row in rows for line in row.outline}))[:_MOST_LINES],
                "more": max(0, len(holds) - _MOST_LINES),
                "unmasked": sum(not row.smallest_group for row in rows),
                "smallest_group": min((row.smallest_group for row in rows if row.smallest_group), default=0),
            }
            for message, rows in kinds.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "smallest_group": self.smallest_group, "epsilon": self.epsilon}


def sections_of(entries: Sequence[Entry], approved: Mapping[str, Mapping[str, Any]]) -> list[Section]:
    """The log in sections, by settings and code; `approved` is what the site approved, by digest."""
    groups: dict[tuple[str, str], list[tuple[int, Entry]]] = {}
    last = ("", "")
    for position, entry in enumerate(entries, start=1):
        is_about_messages = entry.get("direction") in (RECEIVED, SENT)
        last = (str(entry.get("study", "")), str(entry.get("code", ""))) if is_about_messages else last
        groups.setdefault(last, []).append((position, entry))
    return [_section(study, code, numbered, approved.get(code)) for (study, code), numbered in groups.items()]


def local(time: str) -> str:
    """A time of an entry by this machine's clock; as it is where it cannot be read."""
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return time


def _section(
    study: str, code: str, numbered: Sequence[tuple[int, Entry]], approval: Mapping[str, Any] | None
) -> Section:
    if approval:
        when = datetime.fromtimestamp(float(approval["time"])).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        how = f"approved on {when} ({approval['source']})"
    else:
        how = "no longer approved" if code else ""
    entries = [entry for _, entry in numbered]
    rosters = sorted({str(entry["roster"]) for entry in entries if entry.get("roster")})
    coordinators = sorted({str(entry["coordinator"]) for entry in entries if entry.get("coordinator")})
    is_agreed = any(entry.get("agreed") for entry in entries)
    return Section(study, code, how, is_agreed, rosters, coordinators, [_row_or_blank(*each) for each in numbered])


def _row_or_blank(position: int, entry: Entry) -> Row:
    """The row; one that says so where somebody changed the entry into something else."""
    try:
        return _row(position, entry)
    except (TypeError, ValueError, AttributeError):
        return _row(position, {})


def _row(position: int, entry: Entry) -> Row:
    groups = [each for each in entry.get("groups", ()) if isinstance(each, dict)]
    message = str(entry.get("message", ""))
    return Row(
        number=position,
        time=local(str(entry.get("time", ""))),
        way=_ARROWS.get(str(entry.get("direction")), "?"),
        message=message,
        meaning=MEANINGS.get(message, ""),
        holds=_holds(entry),
        outline=_outline(entry),
        smallest_group=int(entry.get("smallest_group", 0)),
        groups=[f"{each.get('group')}: {', '.join(map(str, each.get('members', ())))}" for each in groups],
        epsilon=float(entry.get("epsilon", 0.0)),
        sha256=str(entry.get("sha256", "")),
    )


def _holds(entry: Entry) -> list[str]:
    if not entry:
        return ["this line cannot be read"]
    if entry.get("direction") == TORN:
        return [f"a line of {entry.get('bytes')} bytes was broken off, as by a crash; what it told of did not leave"]
    if entry.get("direction") == ERASED:
        return [f"erased: {name}: {_values(counted)}" for name, counted in entry.get("erased", {}).items()]
    if "error" in entry:
        return [f"error {entry['error']}: that something failed, and nothing else"]
    holds = entry.get("holds")
    records = holds.items() if isinstance(holds, dict) else ()
    return [f"{key}: {_values(values)}" for key, values in records] or ["nothing"]


def _outline(entry: Entry) -> list[str]:
    holds = entry.get("holds")
    if not isinstance(holds, dict):
        return _holds(entry)
    outline = []
    for key, values in holds.items():
        held = _values(values) if key.startswith("arrays.") else ", ".join(values) or "nothing"
        outline.append(f"{re.sub('@[0-9]+', '@n', key)}: {held}")
    return list(dict.fromkeys(outline)) or ["nothing"]


def _values(values: Any) -> str:
    if not isinstance(values, dict) or not values:
        return "nothing"
    return ", ".join(f"{name} {value}" for name, value in values.items())
