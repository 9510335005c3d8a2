"""An exchange whose answer is the sum of what the sites have to say.

Nothing of a single site is seen here, so of a reply the form is checked, and the sum is checked as a reply would be.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from modalities.core.settings.federation import Federation
from strategies.checks import NUM_EXAMPLES, Holder, Refusal
from strategies.exchange import Exchange, Read, Refuse, Traffic, usable
from strategies.masked_exchange.adding import NO_VECTOR, MaskedReply, added_up, masked_reply
from strategies.masked_exchange.opening import Opening
from strategies.masked_exchange.survivors import Survivors
from strategies.masked_exchange.wire import MASKED_TYPES, MASKING, TRAIN, group_of
from strategies.masking.layout import Reply
from strategies.masking.numbers import WEIGHTS
from strategies.streaming import as_type
from strategies.wire import ARRAYS, CONFIG, METRICS, STUDY, Weights, from_record, record_of, to_record

T = TypeVar("T")


class MaskedExchange(Exchange):
    """Asks for masked replies, and reads their sums."""

    def __init__(self, grid: Grid, federation: Federation, timeout: float, wait: float, survivors: Path | None) -> None:
        """`survivors` is the file that keeps whose sum was opened for which question; None keeps it in memory."""
        self._grid, self._federation, self._timeout, self._wait = grid, federation, timeout, wait
        self._survivors = Survivors(survivors)
        self._is_masked = False
        self._members: dict[str, list[str]] = {}
        self._holders: dict[str, Holder] = {}
        self._sent: dict[str, Weights] = {}

    def prepare(self, sent: Sequence[tuple[Message, Holder]], traffic: Traffic) -> None:
        """Name each group's members in every message; a group of too few is not asked for its share."""
        self._members, self._sent = {}, {}
        self._is_masked = bool(sent) and sent[0][0].metadata.message_type in MASKED_TYPES
        if not self._is_masked:
            return
        self._holders = {holder.site: holder for _, holder in sent}
        members: dict[str, set[str]] = defaultdict(set)
        for _, holder in sent:
            for part in holder.cohorts:
                members[group_of(part)].add(holder.site)
        least = self._federation.privacy.least_sites
        self._members = {group: sorted(sites) for group, sites in members.items() if len(sites) >= least}
        for message, holder in sent:
            groups = {group: names for group, names in self._members.items() if holder.site in names}
            record = ConfigRecord(groups)  # pyright: ignore[reportArgumentType]
            message.content[CONFIG + MASKING] = record
            traffic.count(traffic.down, holder.site, RecordDict({CONFIG + STUDY: record}))
            if message.metadata.message_type == TRAIN:
                for part in holder.cohorts:
                    self._sent[part] = from_record(record_of(message.content, ARRAYS + part, ArrayRecord))

    def answers(
        self, replies: Iterable[Message], asked: Mapping[str, Holder], read: Read[T], traffic: Traffic, refuse: Refuse
    ) -> Iterator[tuple[Holder, T]]:
        """One answer, as if all sites whose sums could be opened were one site; what is not masked as it comes."""
        if not self._is_masked:
            yield from usable(replies, asked, read, traffic, refuse)
            return
        silent: list[Holder] = []
        answers = self._heard(usable(replies, asked, self._read, traffic, refuse), silent)
        sums = added_up(answers, self._survivors, refuse)
        context = self._survivors, traffic, refuse, self._timeout, self._wait
        opened = Opening(self._grid, self._federation, sums, self._members, self._holders, *context).opened()
        if opened:
            together = self._together(opened, {group: sums[group].survivors for group in opened})
            answer, refused = read(together, self._as_reply(opened))
            refuse(refused)
            yield together, answer
        for holder in silent:
            yield holder, read(holder, RecordDict())[0]

    def _heard(
        self, answers: Iterable[tuple[Holder, dict[str, MaskedReply]]], silent: list[Holder]
    ) -> Iterator[tuple[Holder, dict[str, MaskedReply]]]:
        """The answers; the sites that are in no group, and so had nothing to send, are listed too."""
        for holder, vectors in answers:
            if not any(holder.site in names for names in self._members.values()):
                silent.append(Holder(holder.node_id, holder.site, {}))
            yield holder, vectors

    def _read(self, holder: Holder, content: RecordDict) -> tuple[dict[str, MaskedReply], list[Refusal]]:
        """A site's vectors by group; one that it turned down, or lacks, is as if it had not answered."""
        vectors, refused = {}, []
        fixed = WEIGHTS[self._federation.privacy.masked_bits]
        for group in [group for group, names in self._members.items() if holder.site in names]:
            try:
                vectors[group] = masked_reply(content, group, fixed, len(self._members[group]))
            except (TypeError, KeyError, ValueError):
                refused.append(Refusal(holder.site, group, NO_VECTOR))
        return vectors, refused

    def _together(self, opened: Mapping[str, Reply], survivors: Mapping[str, Sequence[str]]) -> Holder:
        """The sites of an answer as one, with the cases of all of them."""
        sites = {part: survivors[group] for group, reply in opened.items() for part in {*reply.arrays, *reply.metrics}}
        cohorts = {part: sum(self._holders[site].cohorts[part] for site in names) for part, names in sites.items()}
        return Holder(0, "*", cohorts, sites)

    def _as_reply(self, opened: Mapping[str, Reply]) -> RecordDict:
        """What one site that held all their cases would have sent."""
        content = RecordDict()
        for reply in opened.values():
            for part in dict.fromkeys([*reply.arrays, *reply.metrics]):
                arrays, metrics = reply.arrays.get(part, {}), reply.metrics.get(part, {})
                if reply.is_weighted:
                    arrays = _moved(self._sent[part], arrays, metrics[NUM_EXAMPLES])
                content[ARRAYS + part] = to_record(arrays)
                content[METRICS + part] = MetricRecord(dict(metrics))
        return content


def _moved(sent: Weights, changes: Mapping[str, np.ndarray], n_cases: float) -> Weights:
    """The mean of the sites' weights: those sent, plus the sum of n (w - w_sent) over the sum of n."""
    return {name: as_type(array + changes[name] / max(n_cases, 1), array.dtype) for name, array in sent.items()}
