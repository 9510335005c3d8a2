"""Where the seconds of a round go: the way of one message, cut at the steps that the processes noted."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PARTS = ("process start", "import", "opening", "training", "transfer", "polling", "server")
CPU_PARTS = ("import", "opening", "training", "messages")
"""Of a task's own process."""


@dataclass(frozen=True)
class Span:
    """When a step began and when it ended, in seconds of one clock."""

    began: float
    ended: float


@dataclass(frozen=True)
class Leg(Span):
    """A transfer in several requests, with waits between them for what is not there yet."""

    moving: Sequence[Span]
    """The requests that carried something."""

    def waits(self, when: float) -> bool:
        """Whether nothing moves then, although it is under way."""
        return self.began <= when <= self.ended and not _in_any(self.moving, when)


@dataclass(frozen=True)
class Way:
    """One message to a site and its reply; the steps in the order in which the reply depends on them."""

    pushed: Span
    """The coordinator sends it, and those to the other sites, to the SuperLink."""
    announced: float
    """The SuperNode asked, and heard of it."""
    pulled: Leg
    """The SuperNode takes it from the SuperLink."""
    launched: float
    """The SuperNode's helper starts a program for it."""
    begins: float
    """That program's process is there."""
    asked: Span
    """The program takes the message, and the study's code, from the SuperNode."""
    fetched: Leg
    """The message's part of that."""
    call: Span
    """The study's code at the site runs."""
    trained: float
    """Seconds of it that trained and scored; the rest opened the settings and the site's data."""
    handed: Span
    """The program gives the reply to the SuperNode."""
    sent: Leg
    """The SuperNode sends it to the SuperLink."""
    taken: Leg
    """The coordinator takes it from there."""
    others: Sequence[Span] = ()
    """Requests in which the coordinator takes other sites' replies."""
    cpu: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds of the program, by what they were for."""


def split(way: Way, ended: float) -> dict[str, float]:
    """Seconds of each part from the push to the end of the round; they add up to it.

    Steps that overlap count once: what a later step did while an earlier one still ran cost nothing. Within a transfer
    it is polling while nobody moves anything of this message: one side looks again only after a while.
    """
    parts, now = dict.fromkeys(PARTS, 0.0), way.pushed.began
    for part, cut, leg, meanwhile in _steps(way, ended):
        step = Span(now, max(now, cut))
        if part in ("transfer", "polling"):
            idle = _idle(step, leg, meanwhile) if leg else (step.ended - step.began) * (part == "polling")
            parts["polling"] += idle
            parts["transfer"] += step.ended - step.began - idle
        else:
            parts[part] += step.ended - step.began
        now = step.ended
    opened = way.call.ended - way.call.began - way.trained
    parts["training"] -= opened
    parts["opening"] += opened
    return parts


def _steps(way: Way, ended: float) -> list[tuple[str, float, Leg | None, Sequence[Span]]]:
    """What a stretch is, where it ends, the leg that may wait in it, and what moves elsewhere for this message."""
    behind = Leg(way.sent.ended, way.taken.began, way.others)
    return [
        ("transfer", way.pushed.ended, None, ()),
        ("polling", way.announced, None, ()),
        ("transfer", min(way.pulled.ended, way.launched), way.pulled, ()),
        ("polling", way.launched, None, ()),
        ("process start", way.begins, None, ()),
        ("import", way.asked.began, None, ()),
        ("transfer", way.asked.ended, way.fetched, way.pulled.moving),
        ("import", way.call.began, None, ()),
        ("training", way.call.ended, None, ()),
        ("transfer", min(way.handed.ended, way.sent.began), None, ()),
        ("polling", way.sent.began, None, ()),
        ("transfer", min(way.sent.ended, way.taken.began), way.sent, (way.handed,)),
        ("polling", way.taken.began, behind, ()),
        ("transfer", way.taken.ended, way.taken, (*way.sent.moving, *way.others)),
        ("server", ended, None, ()),
    ]


def _idle(step: Span, leg: Leg, meanwhile: Sequence[Span]) -> float:
    """Seconds of the step in which the leg waits, and nothing moves meanwhile."""
    known = [edge for own in (leg, *leg.moving, *meanwhile) for edge in (own.began, own.ended)]
    edges = sorted({step.began, step.ended, *(edge for edge in known if step.began < edge < step.ended)})
    pieces = [(began, ended, (began + ended) / 2) for began, ended in itertools.pairwise(edges)]
    return sum(ended - began for began, ended, at in pieces if leg.waits(at) and not _in_any(meanwhile, at))


def _in_any(spans: Sequence[Span], when: float) -> bool:
    return any(own.began <= when <= own.ended for own in spans)


@dataclass(frozen=True)
class Round:
    """One round: its slowest site, and the seconds of each part, which add up to its length."""

    began: float
    ended: float
    site: str
    parts: Mapping[str, float]
    cpu: Mapping[str, float]
    """CPU seconds of a site's task, the mean over the sites; what else the machine does hardly weighs on these."""
