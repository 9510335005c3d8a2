"""How far the site's own training is, and its losses, by its audit log: under masks that holds no number of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from client.audit.log import RECEIVED, SENT
from client.audit.reading import Entry
from modalities.core.parts import modality_of
from strategies.checks import HELD_OUT_LOSS, HELD_OUT_N, LOSS, NUM_EXAMPLES
from strategies.report.curve import Curve, Point, Trace
from strategies.wire import CONFIG, METRICS

_TRAIN, _ROUND = "train.branches", "server-round"


@dataclass
class Rounds:
    """Of one modality."""

    last: int = 0
    """The round that was asked for last."""
    cases: int = 0
    """That the last round trained on here; 0 where the log does not say it."""
    training: list[Point] = field(default_factory=list)
    """Loss a case after each round here."""
    held_out: list[Point] = field(default_factory=list)
    """Loss a case of this site's held-out cases, by the round that made the weights it is of."""

    def curve(self, title: str) -> Curve | None:
        """None where no loss is known."""
        named = (("held out", self.held_out), ("training", self.training))
        traces = tuple(Trace(label, tuple(points)) for label, points in named if points)
        return Curve(title, traces) if traces else None


def rounds_in(entries: Iterable[Entry]) -> dict[str, Rounds]:
    """Modality -> its rounds in the study that trained last."""
    found: dict[str, Rounds] = {}
    study = None
    for entry in entries:
        if entry.get("message") != _TRAIN:
            continue
        if entry.get("study") != study:
            study, found = entry.get("study"), {}
        holds = entry.get("holds", {})
        if entry.get("direction") == RECEIVED:
            for modality, config in _records(holds, CONFIG):
                if _ROUND in config:
                    found.setdefault(modality, Rounds()).last = int(config[_ROUND])
        elif entry.get("direction") == SENT:
            for modality, own in found.items():
                _add(own, [metrics for of, metrics in _records(holds, METRICS) if of == modality])
    return found


def _records(holds: dict[str, dict[str, Any]], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Modality and content of each record of this kind; fold copies count as their modality's."""
    for key, record in holds.items():
        if key.startswith(kind):
            yield modality_of(key.removeprefix(kind)), record


def _add(own: Rounds, metrics: list[dict[str, Any]]) -> None:
    """A reply's numbers: the branch and its fold copies, of which each case is held out once."""
    n = sum(each.get(HELD_OUT_N, 0) for each in metrics)
    if n:
        own.held_out.append((own.last - 1, sum(each.get(HELD_OUT_LOSS, 0.0) for each in metrics) / n))
    branch = next((each for each in metrics if each.get(NUM_EXAMPLES)), None)
    if branch and LOSS in branch:
        own.cases = int(branch[NUM_EXAMPLES])
        own.training.append((own.last, branch[LOSS] / own.cases))
