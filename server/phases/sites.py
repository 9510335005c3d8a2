"""The sites of one run of a study: one way to ask them something, and one place for what is noted of them."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from flwr.app import RecordDict
from flwr.serverapp import Grid

from server.phases.options import Options
from server.state.notes import INFO, REFUSED, WARNING, Note
from server.state.study import StudyState
from strategies.checks import AWAY, NO_SETTINGS, UNAVAILABLE, Holder, Refusal
from strategies.exchange import Read, Traffic, message_to, usable
from strategies.flower.log import log
from strategies.streaming import replies_in_order

_LEVELS = {INFO: 20, WARNING: 30, REFUSED: 30}
T = TypeVar("T")


class Sites:
    """Who is asked, for which study, and how long they have."""

    def __init__(self, grid: Grid, study: StudyState, options: Options) -> None:
        """For one run of the study."""
        self.grid, self.study, self.options = grid, study, options

    def ask(
        self, message_type: str, questions: Sequence[tuple[Holder, RecordDict]], read: Read[T], counted: bool = True
    ) -> Iterator[tuple[Holder, T]]:
        """Send each site its question; each site that answered, with what `read` makes of the answer.

        The order is that of the questions. What cannot be used, and a site that does not answer, is noted. `counted`:
        the bytes go to the holder's account.
        """
        traffic, timeout = self.study.traffic if counted else Traffic(), self.options.timeout
        sent = [(message_to(holder, content, message_type, timeout, traffic), holder) for holder, content in questions]
        replies = replies_in_order(self.grid, [message for message, _ in sent], timeout)
        asked = {message.metadata.message_id: holder for message, holder in sent}  # an id comes with the push
        yield from usable(replies, asked, read, traffic, self.refuse)

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """Note what was not used; remember which sites are away, or lack what they were sent."""
        for refusal in refusals:
            if refusal.code == NO_SETTINGS:
                self.study.unsettled.add(refusal.site)
            if refusal.code == UNAVAILABLE and refusal.site in self.study.cohorts:
                self.note_away(refusal.site)
            else:
                self.note(REFUSED, refusal.site, refusal.part, refusal.reason)

    def note_away(self, site: str) -> None:
        """Note that a site is away, once for each absence."""
        if site not in self.study.away:
            self.study.away.add(site)
            self.note(WARNING, site, "*", AWAY)

    def note(self, level: str, site: str, part: str, text: str) -> None:
        """Keep it for the status and the checkpoint, and log it."""
        self.study.notes.append(Note(level, site, part, text))
        log(_LEVELS[level], "site %s, %s: %s", site, part, text)


def held(holders: Sequence[Holder]) -> list[str]:
    """The modalities that somebody holds, by name."""
    return sorted({name for holder in holders for name in holder.cohorts})
