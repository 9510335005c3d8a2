"""One exchange with the sites: a message to each, its checked reply, and the sum of what came back, part by part."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.supercore import log

from strategies.checks import NO_REPLY, NUM_EXAMPLES, Asked, Refusal, Template, accepted_parts
from strategies.streaming import RunningSum
from strategies.wire import ARRAYS, METRICS, Weights, bytes_by_owner, from_record, record_of, sums_of

_WARNING = 30


@dataclass(frozen=True)
class Holder:
    """A site as the server knows it."""

    node_id: int
    site: str
    cohorts: Mapping[str, int]
    """Modality -> the cases it trains on."""


@dataclass
class Traffic:
    """Payload bytes by site and modality, both ways, over the whole study."""

    down: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    up: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))

    def count(self, direction: Mapping[str, dict[str, int]], site: str, content: RecordDict) -> None:
        """Add one message."""
        for owner, size in bytes_by_owner(content).items():
            direction[site][owner] += size

    def table(self) -> dict[str, dict[str, dict[str, int]]]:
        """Site -> modality -> {"up", "down"}."""
        sites = sorted({*self.down, *self.up})
        return {
            site: {
                owner: {"up": self.up[site][owner], "down": self.down[site][owner]}
                for owner in sorted({*self.down[site], *self.up[site]})
            }
            for site in sites
        }


@dataclass
class Folded:
    """What the replies of one exchange add up to."""

    sums: dict[str, RunningSum] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    """Sites of which at least one part was used."""
    usable: Counter[str] = field(default_factory=Counter)
    """By part: the sites whose reply to it was used, those included that had nothing to train on."""
    kept: dict[str, list[tuple[Weights, int]]] = field(default_factory=dict)
    """By part that is no mean: what each site sent for it, with the cases it learned from."""


def fold(
    replies: Iterable[Message],
    asked: Mapping[str, Asked],
    template: Template,
    traffic: Traffic,
    weighted: bool = True,
    keep: Collection[str] = (),
) -> Folded:
    """Check each reply and fold it in; `asked` is by message id, `weighted` by the reply's number of examples.

    Parts in `keep` are kept one by one instead of added up.

    Parts of a mean are used one by one. Parts of a plain sum belong together (the gradient of one loss), so a reply
    with anything wrong in it is not used at all.
    """
    folded = Folded()
    silent = {entry.site for entry in asked.values()}
    for reply in replies:
        entry = asked.get(reply.metadata.reply_to_message_id)
        if entry is None:
            folded.refused.append(Refusal("?", "*", "a reply to a message that was not sent in this round"))
            continue
        silent.discard(entry.site)
        if reply.has_content():
            traffic.count(traffic.up, entry.site, reply.content)
        good, refused = accepted_parts(reply, entry, template)
        folded.refused += refused
        for part in good if weighted or not refused else ():
            _fold_part(folded, reply, part, weighted, part in keep)
            folded.answered.add(entry.site)
            folded.usable[part] += 1
        del reply  # before the next one is asked for, so that two are never held
    folded.refused += [Refusal(site, "*", NO_REPLY) for site in sorted(silent)]
    for refusal in folded.refused:
        log(_WARNING, "site %s, %s: %s; the round goes on without it", refusal.site, refusal.part, refusal.reason)
    return folded


def _fold_part(folded: Folded, reply: Message, part: str, weighted: bool, keep: bool) -> None:
    metrics = record_of(reply.content, METRICS + part, MetricRecord)
    weight = metrics[NUM_EXAMPLES] if weighted else 1.0
    if weight:  # a site that had nothing to train on, but something to score
        record = record_of(reply.content, ARRAYS + part, ArrayRecord)
        if keep:
            folded.kept.setdefault(part, []).append((from_record(record), weight))  # pyright: ignore
        else:
            folded.sums.setdefault(part, RunningSum()).add(from_record(record), float(weight))  # pyright: ignore
    folded.metrics[part] = sums_of([folded.metrics.get(part, {}), metrics])


def with_content(reply: Message, content: RecordDict) -> Message:
    """The same site's reply to the same message, with other content."""
    return Message(content, metadata=reply.metadata)  # pyright: ignore[reportCallIssue]  # Flower's own way


def message_to(
    holder: Holder, content: RecordDict, message_type: str, timeout: float, traffic: Traffic, group: str = ""
) -> Message:
    """A message to one site, counted, that dies with the round."""
    traffic.count(traffic.down, holder.site, content)
    return Message(content, holder.node_id, message_type, ttl=timeout, group_id=group)


def own_copy(config: ConfigRecord) -> ConfigRecord:
    """A copy that a strategy may write into: stock strategies share and change what they are given."""
    return ConfigRecord(dict(config))
