"""What this site helped to add up, and to open: so that no two sums differ by a single site's answer.

A masked vector is noted before it leaves, and the sites whose sum is opened before a share leaves. At a real site both
outlive restarts and runs; a simulated one keeps the vectors of now only.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from flwr.app import ConfigRecord, Context

from client.node.home import Home
from modalities.core.files.journal import Journal, journal
from modalities.core.settings.federation import Federation
from strategies.masked_exchange.wire import TRAIN

_REMEDY = "to begin anew, `tessera-client leave` and join again; the study begins anew too"
_FEW = 3
"""Different weights that a study's closing evaluations may ask for, heads that its calibration may, and
models that its evaluation may."""


@dataclass(frozen=True)
class Entry:
    """A masked vector that left, or was about to."""

    label: str
    """Digest of what it was for, in hexadecimal digits."""
    study: str
    roster: str
    run: str
    group: str
    question: str
    inputs: str
    """Digest of what the vector follows from: weights, of a request to train."""
    message: str
    members: Mapping[str, str]
    """Site -> its X25519 public key, in hexadecimal digits."""
    least: int
    """How many members it takes to open the sum."""
    plain: str
    """SHA-256 of the vector before it was masked."""


class Ledger:
    """A real site's, in `.tessera/masks`: held, so that no other task looks into it before this one has written."""

    def __init__(self, held: Journal) -> None:
        self._journal = held

    def note(self, entry: Entry, most_questions: int) -> None:
        """Note a masked vector before it leaves; the same again is no news.

        Raises:
            ValueError: the label hid another vector before; or more was asked than the study's settings make necessary.
            OSError: it cannot be noted; then the vector must not leave.
        """
        known = self._entry(entry.label)
        if known is not None and known["plain"] != entry.plain:
            raise ValueError(
                f"{entry.group}: the same request was answered with other numbers before, so that both could be "
                "compared; did the site's data change in mid-study? The coordinator begins a new run"
            )
        if known is not None:
            return
        asked = {
            line["question"]
            for line in self._journal.entries
            if "label" in line
            and (line["study"], line["message"], line["group"]) == (entry.study, entry.message, entry.group)
        }
        if entry.question not in asked and len(asked) >= most_questions:
            raise ValueError(
                f"{entry.message} of {entry.group}: {len(asked)} different requests were answered in a study of these "
                f"settings, which needs no more than {most_questions}"
            )
        self._journal.add(asdict(entry))

    def entry(self, label: str) -> Entry:
        """The vector of this label.

        Raises:
            ValueError: this site sent none.
        """
        line = self._entry(label)
        if line is None:
            raise ValueError("asked to open a sum that this site sent no vector for")
        return Entry(**line)

    def settle(self, entry: Entry, survivors: Sequence[str]) -> None:
        """Note whose sum this site helps to open, before it does.

        Raises:
            ValueError: for the same question it helped to open the sum of other sites: the difference would be theirs.
        """
        opened = [entry.study, entry.message, entry.group, entry.inputs]
        for line in self._journal.entries:
            if line.get("opened") == opened:
                if line["survivors"] != list(survivors):
                    unlike = ", ".join(sorted({*line["survivors"]} ^ {*survivors}))
                    raise ValueError(
                        f"{entry.group}: asked to open a sum of other sites for the same request: with and without "
                        f"{unlike}, whose own numbers would be the difference"
                    )
                return
        self._journal.add({"opened": opened, "survivors": list(survivors)})

    def _entry(self, label: str) -> dict[str, Any] | None:
        return next((line for line in self._journal.entries if line.get("label") == label), None)


class PassingLedger:
    """A simulated site's: the last vector of each group, in the context."""

    def __init__(self, context: Context) -> None:
        self._state = context.state

    def note(self, entry: Entry, most_questions: int) -> None:
        """Keep it until it is opened."""
        del most_questions
        flat = {**asdict(entry), "members": list(entry.members), "keys": list(entry.members.values())}
        self._state[f"masked.{entry.group}"] = ConfigRecord(flat)

    def entry(self, label: str) -> Entry:
        """The vector of this label.

        Raises:
            ValueError: this site sent none.
        """
        for key, record in self._state.items():
            if key.startswith("masked.") and record["label"] == label:
                flat: dict[str, Any] = dict(record)
                keys = flat.pop("keys")
                return Entry(**{**flat, "members": dict(zip(flat["members"], keys, strict=True))})
        raise ValueError("asked to open a sum that this site sent no vector for")

    def settle(self, entry: Entry, survivors: Sequence[str]) -> None:
        """A simulated site has nothing to lose."""


@contextmanager
def ledger_of(context: Context, home: Home | None) -> Iterator[Ledger | PassingLedger]:
    """What this site remembers of masked sums; a real site's other tasks wait for the end of the block.

    Raises:
        ValueError: a line of it cannot be read: without it nobody knows what was opened.
    """
    if home is None:
        yield PassingLedger(context)
        return
    with journal(home.ledger, _REMEDY) as held:
        yield Ledger(held)


def most_questions(federation: Federation, message_type: str) -> int:
    """How many different requests of a kind, to one group, a study of these settings needs at most."""
    fusion = federation.fusion
    if message_type == TRAIN:
        return max(config.federated.rounds for config in federation.modalities.values())
    if message_type == "train.fusion":
        heads = max(1, len(fusion.candidates))
        return 2 * heads * (fusion.folds + 1) * max(fusion.rounds, fusion.network.rounds)  # twice: line searches
    return _FEW
