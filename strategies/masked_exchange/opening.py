"""The second trip: the sites in each sum are asked for the shares that open it."""

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from flwr.serverapp import Grid

from modalities.core.settings.federation import Federation
from strategies.checks import Holder, Refusal, UnusableError
from strategies.exchange import Refuse, Traffic, message_to, usable
from strategies.masked_exchange.adding import MaskedSum
from strategies.masked_exchange.survivors import Survivors
from strategies.masked_exchange.wire import BOXES, LABEL, SHARES, SURVIVORS, UNMASK, least_of
from strategies.masking.layout import Reply, restored
from strategies.masking.numbers import WEIGHTS
from strategies.masking.opening import open_sum
from strategies.masking.shares import SIZE
from strategies.streaming import replies_in_order
from strategies.wire import ARRAYS, CONFIG, MASKED, from_record, record_of

_LOOK_S = 1.0
_MOST_TRIES = 3
"""Times that a site which is there is asked for the same shares."""
Shares = dict[str, list[bytes]]
"""Survivor -> what a helper gave of its secrets."""


@dataclass(frozen=True)
class Opening:
    """The sums of one exchange, to be opened."""

    grid: Grid
    federation: Federation
    sums: Mapping[str, MaskedSum]
    """By group."""
    members: Mapping[str, Sequence[str]]
    """By group, those that were asked."""
    holders: Mapping[str, Holder]
    """By name."""
    survivors: Survivors
    traffic: Traffic
    refuse: Refuse
    timeout: float
    """Seconds that a site has for an answer."""
    wait: float
    """Seconds to wait for sites that are away."""

    def opened(self) -> dict[str, Reply]:
        """By group, what the sums say; a group that too few sites answered, or helped to open, is left out."""
        ready = [group for group in self.sums if self._is_settled(group)]
        given, opened = self._help(ready), {}
        for group in ready:
            masked, least = self.sums[group], self._least(group)
            if len(given[group]) < least:
                n = len(given[group])
                self._leave(group, f"{n} of {len(masked.boxes)} sites helped to open their sum, which takes {least}")
                continue
            open_sum(masked.total, self.members[group], masked.survivors, given[group], least)
            weights, sums = masked.total.numbers(WEIGHTS[self.federation.privacy.masked_bits])
            opened[group] = restored(masked.layout, weights, sums)
        return opened

    def _is_settled(self, group: str) -> bool:
        """Whether this sum may be opened; if so, no other sites' for the same question from now on."""
        masked, least = self.sums[group], self._least(group)
        if missing := sorted(set(self.survivors.of(masked.inputs)) - set(masked.boxes)):
            self._leave(group, f"an answer of {', '.join(missing)} belongs to this sum, which is not opened without it")
        elif len(masked.boxes) < least:
            n, of = len(masked.boxes), len(self.members[group])
            self._leave(group, f"{n} of {of} sites answered, and it takes {least} to open their sum")
        else:
            self.survivors.settle(masked.inputs, masked.survivors)
            return True
        return False

    def _leave(self, group: str, reason: str) -> None:
        self.refuse([Refusal("*", group, reason)])

    def _least(self, group: str) -> int:
        return least_of(self.federation, group, len(self.members[group]))

    def _help(self, groups: Collection[str]) -> dict[str, dict[str, Shares]]:
        """By group, what each helper gave: asked until enough helped, or those that are away were waited for."""
        given: dict[str, dict[str, Shares]] = {group: {} for group in groups}
        deadline, asked = time.monotonic() + self.wait, Counter()
        while wanted := {site: own for site, own in self._wanted(given).items() if asked[site] < _MOST_TRIES}:
            online = set(self.grid.get_node_ids())
            here = {site: groups for site, groups in wanted.items() if self.holders[site].node_id in online}
            asked.update(list(here))
            for site, by_group in self._ask(here):
                for group, shares in by_group.items():
                    given[group][site] = shares
            if self._wanted(given):
                if time.monotonic() > deadline:
                    break
                time.sleep(_LOOK_S)
        return given

    def _wanted(self, given: Mapping[str, Mapping[str, Shares]]) -> dict[str, list[str]]:
        """Site -> the groups for whose sum its help is still wanted."""
        wanted: dict[str, list[str]] = defaultdict(list)
        for group, helpers in given.items():
            if len(helpers) < self._least(group):
                for site in self.sums[group].survivors:
                    if site not in helpers:
                        wanted[site].append(group)
        return wanted

    def _ask(self, groups_of: Mapping[str, Sequence[str]]) -> list[tuple[str, dict[str, Shares]]]:
        """One message to each of these sites; each that answered, with its shares by group."""
        sent = []
        for site, groups in groups_of.items():
            content = RecordDict({CONFIG + MASKED + group: self._question(group, site) for group in groups})
            holder = Holder(self.holders[site].node_id, site, dict.fromkeys(groups, 0))
            sent.append((message_to(holder, content, UNMASK, self.timeout, self.traffic), holder))
        replies = replies_in_order(self.grid, [message for message, _ in sent], self.timeout)
        asked = {message.metadata.message_id: holder for message, holder in sent}
        answers = usable(replies, asked, self._read, self.traffic, self.refuse)
        return [(holder.site, shares) for holder, shares in answers]

    def _question(self, group: str, site: str) -> ConfigRecord:
        masked, place = self.sums[group], list(self.members[group]).index(site)
        boxes = [masked.boxes[survivor][place] for survivor in masked.survivors]
        return ConfigRecord({LABEL: masked.label, SURVIVORS: masked.survivors, BOXES: boxes})

    def _read(self, holder: Holder, content: RecordDict) -> tuple[dict[str, Shares], list[Refusal]]:
        shares, refused = {}, []
        for group in holder.cohorts:
            try:
                shares[group] = self._shares(content, group)
            except (KeyError, TypeError, UnusableError):
                refused.append(Refusal(holder.site, group, "no shares of the sum that it is in"))
        return shares, refused

    def _shares(self, content: RecordDict, group: str) -> Shares:
        array = from_record(record_of(content, ARRAYS + MASKED + group, ArrayRecord))[SHARES]
        names = self.sums[group].survivors
        if array.dtype != np.uint8 or array.shape != (len(names), 1 + len(self.members[group]) - len(names), SIZE):
            raise UnusableError("shares of another shape")
        return {name: [share.tobytes() for share in shares] for name, shares in zip(names, array, strict=True)}
