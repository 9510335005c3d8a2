"""What `tessera-server page` shows of a study: what `status`, `audit` and metrics.jsonl say, as it changes."""

import datetime
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modalities.core.files.disk import free_bytes
from modalities.core.files.journal import entries_of
from modalities.core.release.signing import days_left
from server.audit.receipts import AUDIT_FILE, read_book
from server.coordinator.audit import HEADER as AUDIT_HEADER
from server.coordinator.audit import breaks_in, rows_of
from server.coordinator.evaluation_table import HEADER as EVALUATION_HEADER
from server.coordinator.evaluation_table import evaluation_rows
from server.coordinator.flower import is_up
from server.coordinator.folder import Study, enrolled
from server.coordinator.live_view import PROGRESS, about, progress_rows
from server.coordinator.renewal import problem_of_certificate
from server.coordinator.track import Point, points_of
from server.state.measured import METRICS
from server.state.missing import said
from server.state.status import STATUS, read_status, stage
from strategies.page.live import Shown
from strategies.report.curve import Curve, Trace
from strategies.report.section import Section, Table
from strategies.report.words import bytes_text

_UNBEGUN = "waiting for the sites"
_TRACES = {"held_out_loss": "held out", "training_loss": "training", "loss_sum": "what the fit lowers"}
"""Of points_of's names: which are drawn, and what they are called."""
_READING = "Loss on held-out cases, a case, by round; of the fusion head, what its fit lowers. Lower is better."
_ROOM_BYTES = 2e9
"""Less free than this is said: the SuperLink's database and the checkpoints grow."""


def shown_of(study: Study) -> Shown:
    """The page of this study."""
    board = Board(study)
    return Shown(
        title=f"Study {study.folder.resolve().name}",
        lead="How the study stands, by what the coordinator keeps of it.",
        sections={
            "now": ("Now", board.now),
            "sites": ("Who is here", board.sites),
            "rounds": ("Rounds, losses and bytes", board.rounds),
            "notes": ("What was refused, and other notes", board.notes),
            "evaluation": ("Evaluation", board.evaluation),
            "audit": ("Audit logs of the sites", board.audit),
        },
        news=board.news,
        files=board.files,
    )


class Board:
    """The sections, each read anew from the study's folder."""

    def __init__(self, study: Study) -> None:
        """Of this study."""
        self._study = study

    def files(self) -> Iterator[Path]:
        """What the sections are read from."""
        yield from (self._study.run / name for name in (STATUS, METRICS, AUDIT_FILE))
        yield from (self._study.sites, self._study.tls.certificate, self._study.settings_file)

    def news(self) -> str:
        """Phase and round, and what keeps the study waiting."""
        status = self._status()
        waits = [f"waiting: {about(name)}{reason}" for name, reason in status.get("waiting", {}).items()]
        away = [f"away: {', '.join(status['away'])}"] if status.get("away") else []
        return "; ".join([f"phase: {stage(status, _UNBEGUN)}", *away, *waits])

    def now(self, name: str, title: str) -> Section:
        """The study as a whole, and the coordinator's machine."""
        study, status = self._study, self._status()
        is_reached, free = is_up(study), free_bytes(study.folder)
        moved = {way: sum(own[way] for own in status.get("bytes", {}).values()) for way in ("up", "down")}
        days = days_left(study.tls.certificate, datetime.datetime.now(datetime.UTC))
        facts = {
            "phase": stage(status, _UNBEGUN),
            "last step": _when(status["time"]) if status else "none yet",
            "SuperLink": "answers" if is_reached else "does not answer",
            "received from all sites": bytes_text(moved["up"]),
            "sent to all sites": bytes_text(moved["down"]),
            "server's certificate": f"{days} days left" if days >= 0 else "has ended",
            "disk of the study": f"{bytes_text(free)} free",
        }
        is_missed = not (is_reached or status.get("finished"))
        alerts = [f"the SuperLink does not answer: tessera-server start {study.folder}"] * is_missed
        alerts += [f"only {bytes_text(free)} are free on the study's disk"] * (free < _ROOM_BYTES)
        return Section(name, title, "", facts=tuple(facts.items()), alerts=(*alerts, *self._certificate()))

    def sites(self, name: str, title: str) -> Section:
        """Every site that is enrolled or takes part: whether it is here, and its training cases."""
        status = self._status()
        cohorts: Mapping[str, Mapping[str, int]] = status.get("cohorts", {})
        held = sorted({name for own in cohorts.values() for name in own})
        evaluate, names = status.get("only_evaluate", ()), [path.stem for path in enrolled(self._study)]
        every = sorted({*names, *cohorts, *evaluate})
        rows = tuple(
            (site, _state(site, status, site in names), *(str(cohorts.get(site, {}).get(name, "-")) for name in held))
            for site in every
        )
        table = Table(("site", "how it stands", *held), rows, "Sites and their training cases")
        note = "" if every else "No site is enrolled yet."
        alerts = tuple(f"not in every sum: {site}: {what}" for site, what in said(status.get("incomplete", {})).items())
        return Section(name, title, "", tables=(table,) * bool(rows), note=note, alerts=alerts)

    def rounds(self, name: str, title: str) -> Section:
        """How far each modality is, its losses, and what travelled."""
        status = self._status()
        table = Table(PROGRESS, tuple(progress_rows(status)), "Modalities")
        waits = tuple(f"waiting: {about(name)}{reason}" for name, reason in status.get("waiting", {}).items())
        curves = tuple(_curves(entries_of(self._study.run / METRICS, "move it away")))
        tables, reading, note = (table,) * bool(table.rows), _READING if curves else "", ""
        if not table.rows:
            note = "No round is finished yet."
        return Section(name, title, reading, tables=tables, note=note, curves=curves, alerts=waits)

    def notes(self, name: str, title: str) -> Section:
        """The last notes: what was not used, who was missing."""
        found = self._status().get("notes", [])
        rows = tuple(
            (about(note["site"], note["part"]).removesuffix(": ") or "all", note["level"], note["text"])
            for note in reversed(found)
        )
        table = Table(("of", "level", "note"), rows, "The last 20 notes, the newest first", in_words=True)
        note = "" if rows else "Nothing was refused, and nobody was missing."
        return Section(name, title, "", tables=(table,) * bool(rows), note=note)

    def evaluation(self, name: str, title: str) -> Section:
        """How good the model is, once that is known."""
        rows = tuple(evaluation_rows(self._status().get("evaluation") or {}))
        table = Table(EVALUATION_HEADER, rows, "Macro-AUROC with 95 % intervals")
        more = f"More of it: tessera-server report {self._study.folder}"
        note = more if rows else "Not evaluated yet: the model is scored in the last phase."
        if self._status().get("finished") and not rows:
            note = "No number may be shown: the notes say why."
        return Section(name, title, "", tables=(table,) * bool(rows), note=note)

    def audit(self, name: str, title: str) -> Section:
        """The last countersigned head of each site's audit log."""
        book = read_book(self._study.run / AUDIT_FILE)
        table = Table(AUDIT_HEADER, tuple(rows_of(book)), "Countersigned heads")
        note = "" if table.rows else "Nothing is countersigned yet: no site has answered in this study."
        alerts = tuple(map(str, breaks_in(book)))
        return Section(name, title, "", tables=(table,) * bool(table.rows), note=note, alerts=alerts)

    def _status(self) -> dict[str, Any]:
        return read_status(self._study.run)

    def _certificate(self) -> list[str]:
        try:
            said = problem_of_certificate(self._study, datetime.datetime.now(datetime.UTC))
        except ValueError as error:
            said = str(error)
        return [said] if said else []


def _state(site: str, status: Mapping[str, Any], is_enrolled: bool) -> str:
    """How a site stands, in words."""
    if not is_enrolled:
        return "shut out"
    if site in status.get("away", ()):
        return "away"
    if site in status.get("missing", ()):
        return "not here yet"
    if site in status.get("only_evaluate", ()):
        return "evaluates only"
    here = "took part" if status.get("finished") else "takes part"
    return here if site in status.get("cohorts", {}) else "enrolled"


def _curves(lines: list[dict[str, Any]]) -> Iterator[Curve]:
    """Of each modality and of the fusion head, as far as there is a loss."""
    owners: dict[str, dict[str, list[Point]]] = {}
    for point in (point for line in lines for point in points_of(line)):
        owner, _, name = point.name.rpartition("/")
        if name in _TRACES:
            owners.setdefault(owner, {}).setdefault(name, []).append(point)
    for owner, own in owners.items():
        traces = [Trace(_TRACES[name], tuple((point.step, point.value) for point in own[name])) for name in own]
        yield Curve(owner, tuple(traces))


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
