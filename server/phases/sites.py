"""The sites of one run of a study: one way to ask them something, and one place for what is noted of them."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from flwr.app import RecordDict
from flwr.serverapp import Grid

from server.phases.keyring import Keyring
from server.phases.options import Options
from server.state.notes import INFO, REFUSED, WARNING, Note
from server.state.study import StudyState
from strategies.checks import AWAY, NO_SETTINGS, UNAVAILABLE, Holder, Refusal
from strategies.exchange import Exchange, Read, Traffic, message_to
from strategies.flower.log import log
from strategies.masked_exchange.exchange import MaskedExchange
from strategies.masked_exchange.wire import PEERS
from strategies.streaming import replies_in_order

SURVIVORS = "survivors.jsonl"
"""Beside the checkpoint: whose sum was opened for which question."""
_LEVELS = {INFO: 20, WARNING: 30, REFUSED: 30}
T = TypeVar("T")


class Sites:
    """Who is asked, for which study, and how long they have."""

    def __init__(self, grid: Grid, study: StudyState, options: Options, keyring: Keyring | None = None) -> None:
        """For one run of the study; its keys for masked sums, where it has begun."""
        self.grid, self.study, self.options = grid, study, options
        self.exchange, self.keyring = Exchange(), None
        self.evaluators: dict[str, Holder] = {}
        """By name, the sites that only evaluate; nobody asks them anything before the last phase."""
        self.is_released = False
        """Whether the model is a release's: then sites that train are asked no more than those that only evaluate."""
        if study.federation.privacy.is_masked:
            kept = options.checkpoint.with_name(SURVIVORS) if options.checkpoint else None
            self.exchange = MaskedExchange(grid, study.federation, options.timeout, options.wait, kept)
            self.keyring = keyring or Keyring(study, options, grid.run.run_id)

    def ask(
        self, message_type: str, questions: Sequence[tuple[Holder, RecordDict]], read: Read[T], counted: bool = True
    ) -> Iterator[tuple[Holder, T]]:
        """Send each site its question; each site that answered, with what `read` makes of the answer.

        The order is that of the questions. What cannot be used, and a site that does not answer, is noted. `counted`:
        the bytes go to the holder's account.
        """
        traffic, timeout = self.study.traffic if counted else Traffic(), self.options.timeout
        sent = [(message_to(holder, content, message_type, timeout, traffic), holder) for holder, content in questions]
        self.exchange.prepare(sent, traffic)
        replies = replies_in_order(self.grid, [message for message, _ in sent], timeout)
        asked = {message.metadata.message_id: holder for message, holder in sent}  # an id comes with the push
        yield from self.exchange.answers(replies, asked, read, traffic, self.refuse)

    def agreed_on_keys(self, holders: Sequence[Holder]) -> list[Holder]:
        """Those of these sites that know, and accept, the keys of all; without masks, all of them."""
        if self.keyring is None:
            return list(holders)
        self.keyring.settle_roster()
        for holder in holders:
            if reason := self.keyring.left_out(holder.site):
                self.note_away(holder.site, reason)
        peers = [holder for holder in holders if not self.keyring.left_out(holder.site)]
        for holder, _ in self.ask(PEERS, self.keyring.questions(peers), _agreed):
            self.keyring.note_told(holder)
        return [holder for holder in peers if self.keyring.is_known_to(holder)]

    def forget_told(self, site: str) -> None:
        """The site was started anew: it has to be told the others' keys again."""
        if self.keyring is not None:
            self.keyring.forget(site)

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """Note what was not used; remember which sites are away, or lack what they were sent."""
        for refusal in refusals:
            if refusal.code == NO_SETTINGS:
                self.study.unsettled.add(refusal.site)
            if refusal.code == UNAVAILABLE and refusal.site in self.study.cohorts:
                self.note_away(refusal.site)
            else:
                self.note(REFUSED, refusal.site, refusal.part, refusal.reason)

    def note_away(self, site: str, reason: str = AWAY) -> None:
        """Note that a site is away, once for each absence."""
        if site not in self.study.away:
            self.study.away.add(site)
            self.note(WARNING, site, "*", reason)

    def note(self, level: str, site: str, part: str, text: str) -> None:
        """Keep it for the status and the checkpoint, and log it."""
        self.study.notes.append(Note(level, site, part, text))
        log(_LEVELS[level], "site %s, %s: %s", site, part, text)


def _agreed(holder: Holder, answer: RecordDict) -> tuple[bool, list[Refusal]]:
    """Reads an answer that says no more than that the site has no objection."""
    del holder, answer
    return True, []


def held(holders: Sequence[Holder]) -> list[str]:
    """The modalities that somebody holds, by name."""
    return sorted({name for holder in holders for name in holder.cohorts})
