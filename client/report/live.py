"""What `tessera-client page` shows of a site: what `status` and `audit show` say, as it changes."""

import datetime
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from client.audit.reading import Entry, head_of, read_log
from client.audit.receipts import kept_in
from client.audit.view import Section as Logged
from client.audit.view import local, sections_of
from client.node.approval import approvals, last_refused, refusal
from client.node.connection import read_connection
from client.node.home import Home
from client.node.supervisor import state_of
from client.report.rounds import rounds_in
from modalities.core.files.disk import free_bytes
from modalities.core.release.signing import days_left
from modalities.core.settings.site import SiteConfig
from strategies.page.live import Shown
from strategies.report.curve import Point
from strategies.report.section import Section, Table
from strategies.report.words import bytes_text

_ROOM_BYTES = 2e9
"""Less free than this is said, as `check` does."""
_SOON_DAYS = 30
_LATEST = 20


def shown_of(home: Home, config: SiteConfig) -> Shown:
    """The page of this site."""
    board = Board(home, config)
    return Shown(
        title=f"Site {config.name}",
        lead="How this site takes part, by what it keeps itself. This page stays at the site.",
        sections={
            "now": ("Now", board.now),
            "told": ("What needs attention", board.told),
            "rounds": ("Rounds and losses", board.rounds),
            "left": ("What left this site", board.left),
            "latest": ("The latest messages", board.latest),
            "audit": ("Audit log", board.audit),
        },
        news=board.news,
        files=board.files,
    )


class Board:
    """The sections, each read anew from the site's own folder."""

    def __init__(self, home: Home, config: SiteConfig) -> None:
        """Of this site."""
        self._home, self._config = home, config
        self._read: tuple[int, list[Entry]] = (0, [])
        """Bytes of the audit log, which only grows, and its entries: three sections are of them."""

    def files(self) -> Iterator[Path]:
        """What the sections are read from."""
        home = self._home
        yield from (home.state, home.connection, home.complaints, home.refused, home.approved)
        yield from (home.audit, home.audit_tree, home.receipts, self._authority)

    def news(self) -> str:
        """Whether the site is connected, and if not why."""
        state = state_of(self._home)
        meaning = f": {state['meaning']}" if state.get("meaning") else ""
        return f"{self._running()}{meaning}"

    def now(self, name: str, title: str) -> Section:
        """The connection, and the site's machine."""
        home, connection = self._home, read_connection(self._home)
        state, free = state_of(home), free_bytes(home.folder)
        days = days_left(self._authority, datetime.datetime.now(datetime.UTC))
        code = ", ".join(digest[:12] for digest in approvals(home))
        facts = {
            "connection": self._running(),
            "since": _when(state["time"]) if state else "",
            "coordinator": self._config.coordinator.address,
            "last heard from": _when(connection.last_contact) if connection and connection.last_contact else "",
            "last request": connection.request if connection else "",
            "approved code": code or "none",
            "study's authority (ca.crt)": f"{days} days left" if days >= 0 else "has ended",
            "disk of the site": f"{bytes_text(free)} free",
        }
        alerts = [f"only {bytes_text(free)} are free on this site's disk"] * (free < _ROOM_BYTES)
        alerts += [f"the study's authority ends in {days} days: ask the coordinator"] * (days < _SOON_DAYS)
        known = tuple((of, is_so) for of, is_so in facts.items() if is_so)
        return Section(name, title, "", facts=known, alerts=tuple(alerts))

    def told(self, name: str, title: str) -> Section:
        """Why it takes no part, or not with all that it has."""
        state, refused = state_of(self._home), last_refused(self._home)
        alerts = [f"not connected: {state['meaning']}"] if state.get("meaning") else []
        alerts += [refusal(refused, self._home.site)] if refused else []
        rows = tuple((str(number), text) for number, text in enumerate(state.get("complaints", ()), start=1))
        table = Table(("number", "why"), rows, "Since it connected", in_words=True)
        note = "" if alerts or rows else "Nothing."
        return Section(name, title, "", tables=(table,) * bool(rows), note=note, alerts=tuple(alerts))

    def rounds(self, name: str, title: str) -> Section:
        """How far each modality is here, and this site's own losses."""
        most, found = self._config.policy.max_rounds, rounds_in(self._entries())
        header = ("modality", "round", "of at most", "training cases", "training loss", "held-out loss")
        rows = tuple(
            (of, str(own.last), str(most), str(own.cases or "-"), _loss(own.training), _loss(own.held_out))
            for of, own in found.items()
        )
        curves = tuple(curve for of, own in found.items() if (curve := own.curve(of)))
        table = Table(header, rows, "The last study trained for")
        reading = "Loss a case of this site's own cases, by round; lower is better." if curves else ""
        note = "" if rows else "This site has not trained yet."
        if rows and not curves:
            note = "Losses leave masked, and the site keeps none of them."
        return Section(name, title, reading, tables=(table,) * bool(rows), note=note, curves=curves)

    def left(self, name: str, title: str) -> Section:
        """Every kind of reply of the study that was answered last."""
        logged = self._logged()
        rows = tuple(
            (
                kind["meaning"] or kind["message"],
                str(kind["n"]),
                f"sum over {kind['smallest_group']} sites or more" if kind["smallest_group"] else "as it is",
                kind["last"],
            )
            for kind in (logged[-1].kinds() if logged else ())
        )
        table = Table(("what it told", "times", "who can read it", "last"), rows, "Replies, by kind", in_words=True)
        spent = sum(section.epsilon for section in logged)
        note = f"Spent of the patients' differential privacy, over all studies: epsilon {spent:.3g}." if spent else ""
        return Section(name, title, "", tables=(table,) * bool(rows), note=note if rows else "Nothing left yet.")

    def latest(self, name: str, title: str) -> Section:
        """The last entries of the audit log."""
        logged = sorted((row for section in self._logged() for row in section.rows), key=lambda row: -row.number)
        rows = tuple(
            (str(row.number), row.way, row.message, row.time, f"{row.smallest_group} sites" * bool(row.smallest_group))
            for row in logged[:_LATEST]
        )
        table = Table(
            ("entry", "way", "message", "time", "masked among"), rows, f"The last {_LATEST} messages", in_words=True
        )
        note = "" if rows else "No message yet."
        return Section(name, title, "", tables=(table,) * bool(rows), note=note)

    def audit(self, name: str, title: str) -> Section:
        """Its head, and what the coordinator countersigned."""
        if not self._home.audit.is_file():
            return Section(name, title, "", note="The audit log begins with the first message.")
        head, receipts = head_of(self._home), kept_in(self._home.receipts)
        facts = [("entries", str(head.size)), ("root", head.root[:16])]
        if receipts:
            last = receipts[-1]
            facts += [("countersigned", f"{last.size} entries, {local(last.time)}"), ("root of these", last.root[:16])]
        note = f"Whether it is whole: tessera-client audit {self._home.site} verify"
        return Section(name, title, "", facts=tuple(facts), note=note)

    @property
    def _authority(self) -> Path:
        return self._home.site / self._config.coordinator.authority

    def _running(self) -> str:
        state = state_of(self._home)
        if not state:
            return "this site has not joined yet"
        return state["state"] if state["alive"] else "stopped"

    def _entries(self) -> list[Entry]:
        size = self._home.audit.stat().st_size if self._home.audit.is_file() else 0
        if size != self._read[0]:
            self._read = size, read_log(self._home).entries() if size else []
        return self._read[1]

    def _logged(self) -> list[Logged]:
        """The audit log by settings and code; what was logged last is at the end."""
        return sections_of(self._entries(), approvals(self._home))


def _loss(points: Sequence[Point]) -> str:
    return f"{points[-1][1]:.4f}" if points else "-"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
