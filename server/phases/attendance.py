"""Who is there, before every exchange: a site that is away is not asked, and one that comes back is brought up to date.

A site that was started anew has lost what it was sent in this run, so it gets the settings and shared statistics again
and, once the branches are final, scores them again. A site that was away at the handshake is taken in the same way.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

from flwr.serverapp import Grid

from server.phases.closing import score_final
from server.phases.evaluation.scoring import scored_by
from server.phases.handshake import introduce, settle
from server.phases.keyring import Keyring
from server.phases.options import Options
from server.phases.sites import Sites
from server.state.notes import INFO, WARNING
from server.state.study import StudyState
from strategies.aggregation import Aggregation
from strategies.checks import Holder

_LOOK_S = 1.0
MOST_TRIES = 3
"""Times in a row that sites may be there and answer with nothing that can be used."""
NOT_IN_RELEASE = "the release has no branch of it, so its cases are scored without"
_NEW = "nobody held it before; from the next run on"
_LEAST_FUSED = 2
"""Sites whose sum the fusion head may learn from: the gradient of a single one is that site's own."""
Lacks = Mapping[str, str]
"""Modality -> why a round of it cannot count; `*` for the study as a whole."""
T = TypeVar("T")


class Attendance(Sites):
    """The sites that take part, and which of them are there."""

    def __init__(
        self,
        grid: Grid,
        study: StudyState,
        options: Options,
        holders: Sequence[Holder],
        nodes: Sequence[int],
        keyring: Keyring | None = None,
    ) -> None:
        """`holders` took in the settings; `nodes` were asked who they are, whether or not they take part."""
        super().__init__(grid, study, options, keyring)
        self.holders = list(holders)
        self.is_closed = False
        """Whether the branches are final, and their outputs kept by the sites."""
        self.is_evaluating = False
        """Whether the finished model goes out to be scored, and those that only evaluate take part."""
        self.scored: set[str] = set()
        """The sites that scored it in this run."""
        self.event: Mapping[str, Any] = {"phase": "setup"}
        """Where the study stands, for the status."""
        self._introduced = set(nodes)
        self._failed: Counter[str] = Counter()
        self._gone_on_without: set[str] = set()
        """Sites that were waited for in vain, until they answer."""

    def present(self) -> list[Holder]:
        """The sites that can be asked now, in order of their names."""
        study, before = self.study, len(self.study.notes)
        online = set(self.grid.get_node_ids())
        for holder in self.holders:
            if holder.node_id not in online:
                self.note_away(holder.site)
        self._introduced &= online
        self._take_in(sorted(online - self._introduced - {holder.node_id for holder in self.holders}))
        self._bring_up_to_date([holder for holder in self.holders if holder.node_id in online])
        if before != len(study.notes):
            self.tell()
        behind = study.away | study.unsettled
        return self.agreed_on_keys([holder for holder in self.holders if holder.site not in behind])

    def present_when(
        self, lacks_of: Callable[[Sequence[Holder]], Lacks], expected: Collection[str] = (), phase: str = "*"
    ) -> list[Holder]:
        """The sites that are there, once they suffice: `lacks_of` says what is lacking with some sites.

        The phase goes on without sites that are `expected` and not there in time.

        Raises:
            RuntimeError: there were too few for longer than the time to wait.
        """
        deadline = time.monotonic() + self.options.wait
        while True:
            present = self.present()
            absent = self._waited_for(expected) - {holder.site for holder in present}
            lacks = lacks_of(present) or ({phase: f"for {', '.join(sorted(absent))}"} if absent else {})
            self.set_waiting(lacks)
            if not lacks:
                return present
            if time.monotonic() > deadline:
                if lacks_of(present):
                    raise RuntimeError(self.stalled(lacks))
                self._go_on_without(absent, phase, f"it was not there for {self.options.wait:.0f} s")
            time.sleep(_LOOK_S)

    def gather(
        self,
        phase: str,
        lacks_of: Callable[[Sequence[Holder]], Lacks],
        exchange: Callable[[Sequence[Holder]], tuple[T, Collection[str]]],
        expected: AbstractSet[str] = frozenset(),
    ) -> tuple[T, set[str]]:
        """The result of an exchange that enough sites answered, and their names; `exchange` gives both.

        Sites that are `expected` are waited for, and asked again; the phase goes on without those that do not answer.
        A sum under masks is opened once, so there nobody is asked again for what was opened.

        Raises:
            RuntimeError: too few sites are there, or too few of those that are there sent what can be used.
        """
        lacks: Lacks = {}
        for tries in range(1, MOST_TRIES + 1):
            present = self.present_when(lacks_of, expected, phase)
            result, answered = exchange(present)
            self._gone_on_without -= set(answered)
            late = self._waited_for(expected) - set(answered)
            lacks = lacks_of([holder for holder in present if holder.site in answered])
            if not lacks and (not late or self.keyring is not None or tries == MOST_TRIES):
                self._go_on_without(late, phase, "it was there, and did not answer with what can be used")
                return result, set(answered)
        raise RuntimeError(f"{phase}: {self.stalled(lacks)}")

    def begin_evaluation(self) -> list[Holder]:
        """From now on the sites that only evaluate take part, and each site is sent the finished model; who was."""
        self.is_evaluating = True
        here = {holder.site for holder in self.holders}
        self._join([holder for site, holder in self.evaluators.items() if site not in here])
        present = self.present()
        self.score([holder for holder in present if holder.site not in self.scored])
        return present

    def score(self, holders: Sequence[Holder]) -> None:
        """Let these sites score the finished model."""
        self.scored -= {holder.site for holder in holders}
        self.scored |= scored_by(self, holders)

    def set_waiting(self, lacks: Lacks) -> None:
        """Note what the study begins to wait for, and keep the status right once it no longer does."""
        before, self.study.waiting = self.study.waiting, dict(lacks)
        for name in [name for name in lacks if name not in before]:
            self.note(WARNING, "*", name, f"waits: {lacks[name]}")
        if before != self.study.waiting:
            self.tell()

    def lacking(self, names: Sequence[str], present: Sequence[Holder]) -> dict[str, str]:
        """Modality -> why a round with these sites alone would not count."""
        reasons = {}
        for name in names:
            n_sites = sum(name in holder.cohorts for holder in present)
            reasons[name] = Aggregation(self.study.federation.modalities[name].federated).too_few(n_sites)
        return {name: reason for name, reason in reasons.items() if reason}

    def able_lacking(self, present: Sequence[Holder]) -> dict[str, str]:
        """The same for the fusion head, which learns from sites with two modalities.

        A share of the head that fewer than two sites of the study could teach waits for nobody; it stays as it is.
        """
        reasons = {}
        for name in [name for name in self.study.progress if self.n_able(name) >= self.least_fused]:
            settings = self.study.federation.modalities[name].federated
            least = max(self.least_fused, min(settings.min_holders, self.n_able(name)))
            n_sites = sum(name in holder.cohorts for holder in able(present))
            if n_sites < least and settings.absent == "wait":
                reasons[name] = f"{n_sites} of at least {least} sites that have it beside another modality"
        n_sites = len(able(present))
        few = f"{n_sites} of at least {self.least_fused} sites with two modalities"
        return reasons or ({"*": few} if n_sites < self.least_fused else {})

    def _waited_for(self, expected: Collection[str]) -> set[str]:
        """Those of these sites one of whose modalities says `wait`; without those that were waited for in vain.

        Nor does a phase wait for somebody at a site to approve the roster.
        """
        study, modalities = self.study, self.study.federation.modalities
        return {
            site
            for site in expected
            if site not in self._gone_on_without
            and self._failed[site] < MOST_TRIES
            and not (self.keyring and self.keyring.approved_another(site))
            and any(modalities[name].federated.absent == "wait" for name in study.cohorts.get(site, ()))
        }

    def _go_on_without(self, sites: Collection[str], phase: str, reason: str) -> None:
        for site in sorted(sites):
            self._gone_on_without.add(site)
            self.note(WARNING, site, phase, f"the study goes on without it: {reason}")

    @property
    def least_fused(self) -> int:
        """Sites whose sum the fusion head may learn from."""
        privacy = self.study.federation.privacy
        return privacy.least_sites if privacy.is_masked else _LEAST_FUSED

    def n_able(self, name: str) -> int:
        """Sites of the study, here or not, that have this modality beside another one."""
        return len(self.study.able() & self.study.holders(name))

    def can_fuse(self) -> bool:
        """Whether a fusion head can be fitted, and calibrated, in this study."""
        return len(self.study.able()) >= self.least_fused

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
        """Introduce new nodes; a modality that no other site holds waits for the next run."""
        if not nodes:
            return
        self._introduced |= set(nodes)
        study = self.study
        taken = [holder.site for holder in self.holders if holder.site not in study.away]
        before = dict(self.evaluators)
        self._join(introduce(self, nodes, taken))
        if self.is_evaluating or self.is_released:
            self._join([own for site, own in self.evaluators.items() if before.get(site) is not own])

    def _join(self, holders: Sequence[Holder]) -> None:
        """Take these in with what can still be used of theirs; they are brought up to date before they are asked."""
        study, usable = self.study, self.study.progress if self.is_closed else self.study.states
        for holder in holders:
            cohorts = {name: n for name, n in holder.cohorts.items() if name in usable}
            for name in [name for name in holder.cohorts if name not in cohorts]:
                self.note(INFO, holder.site, name, NOT_IN_RELEASE if self.is_released else _NEW)
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
        for holder in behind:
            self.forget_told(holder.site)
        agreed = self.agreed_on_keys(settle(self, behind, self.holders))
        if self.is_closed:
            answered = score_final(self, [own for own in agreed if not own.only_evaluates]).last.answered
            agreed = [holder for holder in agreed if holder.only_evaluates or holder.site in answered]
        if self.is_evaluating:
            self.score(agreed)
        self._failed.update(holder.site for holder in behind)
        for holder in agreed:
            del self._failed[holder.site]
            study.unsettled.discard(holder.site)
            self.holders[[own.site for own in self.holders].index(holder.site)] = holder
            self.note(INFO, holder.site, "*", "it is here and up to date, and takes part from now on")


def able(holders: Sequence[Holder]) -> list[Holder]:
    """The sites that hold two modalities or more, and so may have cases that teach a fusion head."""
    return [holder for holder in holders if len(holder.cohorts) > 1]
