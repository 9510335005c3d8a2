"""One aggregation rule per modality, in one message per site and round.

A site that lacks a modality neither receives nor sends a byte of it. Replies are folded one by one into a running mean
weighted by cases, on which the rule takes its step, so memory does not grow with the number of sites. Only a rule with
a centre must see the replies side by side: those to its parts are kept until its step.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from strategies.aggregation import Aggregation, combined_by
from strategies.checks import Holder, Refusal, Template, each_part, trained_part
from strategies.exchange import Exchange, Folded, Traffic, message_to, own_copy
from strategies.flower.grids import WrappedGrid
from strategies.wire import (
    ARRAYS,
    CONFIG,
    Weights,
    flatten,
    metric_record,
    owner_of,
    record_of,
    to_record,
    unflatten,
)

TRAIN, EVALUATE = "train.branches", "evaluate.branches"


class HoldersView(WrappedGrid):
    """A grid on which only the nodes that hold a modality can be seen."""

    def __init__(self, grid: Grid, node_ids: Sequence[int]) -> None:
        super().__init__(grid)
        self._node_ids = list(node_ids)

    def get_node_ids(self) -> Iterable[int]:
        return list(self._node_ids)


class PerModality(Strategy):
    """Composes one rule per part; only the parts in `active` take part in a round."""

    def __init__(
        self,
        rules: Mapping[str, Aggregation],
        holders: Sequence[Holder],
        timeout: float,
        traffic: Traffic | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        """`rules` is by part, `holders` are the sites in the order in which their replies are folded."""
        self.rules = dict(rules)
        self.holders = list(holders)
        self.timeout = timeout
        self.traffic = traffic or Traffic()
        self.exchange = exchange or Exchange()
        self.active: Collection[str] = list(rules)
        self.rounds: Mapping[str, int] = {}
        """By part, where it is in another round than the one that the message is of."""
        self.last = Folded()
        self.short: dict[str, str] = {}
        """Modality -> why the last round of it does not count."""
        self._sent: list[tuple[Message, Holder]] = []
        self._template: dict[str, Weights] = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """For each site a message with the active parts that it holds; each rule configures its own part."""
        return self._configure("configure_train", TRAIN, server_round, arrays, config, grid)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """The same for scoring."""
        return self._configure("configure_evaluate", EVALUATE, server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The new global arrays of every part that was active, and summed metrics keyed `<part>::<metric>`.

        A part that nobody trained, or too few for its rule or its modality's min_holders, keeps its arrays exactly.
        What was refused stands in `last.refused`.
        """
        self._take_in(replies, self._template)
        self._drop_short()
        self._drop_too_few()
        trained = {*self.last.sums, *self.last.kept}
        updated = {
            part: self._step(part, self.rounds.get(part, server_round)) if part in trained else before
            for part, before in self._template.items()
        }
        return flatten(updated), self._metrics()

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Summed metrics keyed `<part>::<metric>`; scoring replies carry no arrays."""
        del server_round
        self._take_in(replies, {part: {} for part in self._template})
        return self._metrics()

    def summary(self) -> None:
        """Let each part's strategy describe itself."""
        for rule in self.rules.values():
            rule.step.stock.summary()

    def _configure(
        self, method: str, message_type: str, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        parts = unflatten(arrays)
        # By name: a strategy may pair arrays by position, and a resumed study reads them back in another order.
        self._template = {part: dict(sorted(parts[part].items())) for part in self.active}
        records: dict[int, dict[str, ArrayRecord | ConfigRecord]] = defaultdict(dict)
        for part, own in self._template.items():
            nodes = [holder.node_id for holder in self.holders if owner_of(part) in holder.cohorts]
            if not nodes:
                continue
            configure, view = getattr(self.rules[part].step.stock, method), HoldersView(grid, nodes)
            own_round = self.rounds.get(part, server_round)
            for message in configure(own_round, to_record(own), own_copy(config), view):
                own_records = records[message.metadata.dst_node_id]
                own_records[ARRAYS + part] = record_of(message.content, "arrays", ArrayRecord)
                own_records[CONFIG + part] = record_of(message.content, "config", ConfigRecord)
        self._sent = []
        for holder in self.holders:
            if holder.node_id in records:
                content = RecordDict(dict(records[holder.node_id]))
                message = message_to(holder, content, message_type, self.timeout, self.traffic, str(server_round))
                self._sent.append((message, self._asked_of(holder, records[holder.node_id])))
        self.exchange.prepare(self._sent, self.traffic)
        return [message for message, _ in self._sent]

    def _asked_of(self, holder: Holder, records: Mapping[str, object]) -> Holder:
        parts = [key.removeprefix(ARRAYS) for key in records if key.startswith(ARRAYS)]
        return Holder(holder.node_id, holder.site, {part: holder.cohorts[owner_of(part)] for part in parts})

    def _take_in(self, replies: Iterable[Message], template: Template) -> None:
        """Check each reply and fold it into `last`: added up, or kept where a part's rule sees replies side by side."""
        self.last = folded = Folded()
        asked = {message.metadata.message_id: holder for message, holder in self._sent}  # an id comes with the push
        keep = [part for part, rule in self.rules.items() if rule.centre]
        read = each_part(trained_part(template))
        for holder, parts in self.exchange.answers(replies, asked, read, self.traffic, folded.refused.extend):
            folded.add(holder, parts, keep=keep)
            parts.clear()  # so that one reply is held at a time

    def _drop_short(self) -> None:
        """Forget the replies to all parts of a modality of which too few sites sent every part."""
        self.short = {}
        for name in dict.fromkeys(owner_of(part) for part in self._template):
            parts = [part for part in self._template if owner_of(part) == name]
            reason = self.rules[parts[0]].too_few(min(len(self.last.usable[part]) for part in parts))
            if reason:
                self.short[name] = reason
                for part in parts:
                    self.last.sums.pop(part, None)
                    self.last.kept.pop(part, None)

    def _drop_too_few(self) -> None:
        """Forget, and note, the replies to parts that too few sites trained: one that only scores is no vote."""
        for part in [part for part in self._template if owner_of(part) not in self.short]:
            reason = self.rules[part].shortage(len(self.last.kept.get(part, ())))
            if reason:
                self.last.kept.pop(part, None)
                self.last.refused.append(Refusal("*", part, f"{reason}; its weights stay as they are this round"))

    def _step(self, part: str, server_round: int) -> Weights:
        """The rule's step on what the replies combine to; one that is not finite is refused, and the weights stay."""
        before, rule = self._template[part], self.rules[part]
        state = rule.step.state()
        with np.errstate(over="ignore", invalid="ignore"):
            if rule.centre is None:
                combined = self.last.sums[part].mean()
            else:
                combined = combined_by(rule.centre, before, self.last.kept.pop(part))
            after = rule.step.take(server_round, before, combined)
        if all(np.isfinite(array).all() for array in (*after.values(), *rule.step.state().values())):
            return after
        self.rules[part] = Aggregation(rule.settings)
        self.rules[part].step.restore(state)
        self.last.refused.append(Refusal("*", part, "the replies add up to weights that are not finite; they stay"))
        return before

    def _metrics(self) -> MetricRecord:
        flat = {f"{part}::{name}": value for part, own in self.last.metrics.items() for name, value in own.items()}
        return metric_record(flat)
