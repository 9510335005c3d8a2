"""Who is there, before every exchange: a site that is away is not asked, and one that comes back is brought up to date.

A site that was started anew has lost what it was sent in this run, so it gets the settings and shared statistics again
and, once the branches are final, scores them again. A site that was away at the handshake is taken in the same way.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from flwr.app import Error
from flwr.serverapp import Grid

from server.phases.closing import score_final
from server.phases.handshake import introduce, settle
from server.phases.options import Options
from server.phases.replies import note
from server.state.study import StudyState
from strategies.aggregation import Aggregation
from strategies.checks import UNAVAILABLE, Refusal, refusal_of
from strategies.exchange import Holder

_LOOK_S = 1.0
MOST_TRIES = 3
"""In a row, of what sites that are there answer with nothing that can be used."""
Lacks = Mapping[str, str]
"""Modality -> why a round of it cannot count; `*` for the study as a whole."""
Found = TypeVar("Found")


class Attendance:
    """The sites of one run of a study, and which of them are there."""

    def __init__(
        self, grid: Grid, study: StudyState, options: Options, holders: Sequence[Holder], nodes: Sequence[int]
    ) -> None:
        """`holders` took in the settings; `nodes` are all that were asked who they are."""
        self.grid, self.study, self.options = grid, study, options
        self.holders = list(holders)
        self.is_closed = False
        """Whether the branches are final, and their outputs kept by the sites."""
        self.event: Mapping[str, Any] = {"phase": "setup"}
        """Where the study stands, for the status."""
        self._asked = set(nodes)
        self._failed: Counter[str] = Counter()

    def present(self) -> list[Holder]:
        """The sites that can be asked now, in order of their names."""
        study, before = self.study, len(self.study.refused)
        online = set(self.grid.get_node_ids())
        for holder in self.holders:
            if holder.node_id not in online and holder.site not in study.away:
                note(study, [refusal_of(holder.site, Error(UNAVAILABLE))])
        self._asked &= online
        self._take_in(sorted(online - self._asked - {holder.node_id for holder in self.holders}))
        self._bring_up_to_date([holder for holder in self.holders if holder.node_id in online])
        if before != len(study.refused):
            self.tell()
        behind = study.away | study.unsettled
        return [holder for holder in self.holders if holder.site not in behind]

    def present_when(self, lacks_of: Callable[[Sequence[Holder]], Lacks]) -> list[Holder]:
        """The sites that are there, once nothing is lacking with them.

        Raises:
            RuntimeError: that took longer than the time to wait.
        """
        deadline = time.monotonic() + self.options.wait
        while lacks := lacks_of(present := self.present()):
            self.set_waiting(lacks)
            if time.monotonic() > deadline:
                raise RuntimeError(self.stalled(lacks))
            time.sleep(_LOOK_S)
        self.set_waiting({})
        return present

    def ask(
        self,
        phase: str,
        lacks_of: Callable[[Sequence[Holder]], Lacks],
        exchange: Callable[[Sequence[Holder]], tuple[Found, Collection[str]]],
    ) -> Found:
        """What an exchange finds, once nothing is lacking with the sites that answered it; it gives both.

        Raises:
            RuntimeError: too few sites are there, or too few of those that are there sent what can be used.
        """
        lacks: Lacks = {}
        for _ in range(MOST_TRIES):
            present = self.present_when(lacks_of)
            found, answered = exchange(present)
            lacks = lacks_of([holder for holder in present if holder.site in answered])
            if not lacks:
                return found
        raise RuntimeError(f"{phase}: {self.stalled(lacks)}")

    def set_waiting(self, lacks: Lacks) -> None:
        """Say what the study waits for, when it begins to and when that is over."""
        before, self.study.waiting = self.study.waiting, dict(lacks)
        note(self.study, [Refusal("*", name, f"waits: {lacks[name]}") for name in lacks if name not in before])
        if before != self.study.waiting:
            self.tell()

    def lacking(self, names: Sequence[str], present: Sequence[Holder]) -> dict[str, str]:
        """Modality -> why a round of it cannot count with these sites."""
        reasons = {}
        for name in names:
            n_sites = sum(name in holder.cohorts for holder in present)
            reasons[name] = Aggregation(self.study.federation.modalities[name].federated).too_few(n_sites)
        return {name: reason for name, reason in reasons.items() if reason}

    def able_lacking(self, present: Sequence[Holder]) -> dict[str, str]:
        """The same for the fusion head, which learns from sites with two modalities: of those that wait for a site."""
        study, reasons = self.study, {}
        known = [own for own in study.cohorts.values() if len(own) > 1]
        for name in study.progress:
            settings = study.federation.modalities[name].federated
            least = min(settings.min_holders, sum(name in own for own in known))
            n_sites = sum(name in holder.cohorts for holder in able(present))
            if n_sites < least and settings.absent == "wait":
                reasons[name] = f"{n_sites} of at least {least} sites that have it beside another modality"
        return reasons or ({} if able(present) else {"*": "no site with two modalities"})

    def stalled(self, lacks: Lacks) -> str:
        """What to say where the study cannot go on."""
        said = [f"{name}: {reason} ({self._who_holds(name)})" for name, reason in lacks.items()]
        return (
            f"{'; '.join(said)}; everything until now is kept: see to it that these sites are connected and that "
            "their logs show no error, then resume"
        )

    def tell(self) -> None:
        """Bring the status up to date between steps."""
        self.options.tell(self.study, self.event)

    def _who_holds(self, name: str) -> str:
        study = self.study
        sites = [site for site, own in study.cohorts.items() if name in own or (own and name == "*")]
        here = {holder.site for holder in self.holders} - study.away
        return f"held by {', '.join(site if site in here else f'{site} (away)' for site in sites) or 'nobody'}"

    def _take_in(self, nodes: Sequence[int]) -> None:
        """Ask who these nodes are; a modality that nobody held before waits for the next run."""
        if not nodes:
            return
        self._asked |= set(nodes)
        study = self.study
        usable = study.progress if self.is_closed else study.states
        known = [holder.site for holder in self.holders if holder.site not in study.away]
        for holder in introduce(self.grid, study, nodes, self.options, known):
            cohorts = {name: n for name, n in holder.cohorts.items() if name in usable}
            early = [name for name in holder.cohorts if name not in cohorts]
            note(study, [Refusal(holder.site, name, "nobody held it before; from the next run on") for name in early])
            self.holders = [own for own in self.holders if own.site != holder.site]
            if cohorts:
                self.holders.append(Holder(holder.node_id, holder.site, cohorts))
                study.unsettled.add(holder.site)
            study.away.discard(holder.site)
        self.holders.sort(key=lambda holder: holder.site)

    def _bring_up_to_date(self, online: Sequence[Holder]) -> None:
        """Give those that came back what they were sent before in this run; one that fails is tried again later."""
        study = self.study
        for site in [holder.site for holder in online if holder.site in study.away]:
            study.away.discard(site)
            study.unsettled.add(site)
            del self._failed[site]
        behind = [own for own in online if own.site in study.unsettled and self._failed[own.site] < MOST_TRIES]
        if not behind:
            return
        agreed = settle(self.grid, study, behind, self.holders, self.options)
        if self.is_closed:
            answered = score_final(self.grid, study, agreed, self.options).last.answered
            agreed = [holder for holder in agreed if holder.site in answered]
        self._failed.update(holder.site for holder in behind)
        for holder in agreed:
            del self._failed[holder.site]
            study.unsettled.discard(holder.site)
            self.holders[[own.site for own in self.holders].index(holder.site)] = holder
            note(study, [Refusal(holder.site, "*", "it is here and up to date, and takes part from now on")])


def able(holders: Sequence[Holder]) -> list[Holder]:
    """The sites with a case that might have two modalities."""
    return [holder for holder in holders if len(holder.cohorts) > 1]
