"""One exchange with the sites: a message to each, its reply once checked, and what the replies add up to."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from flwr.app import ConfigRecord, Message, RecordDict

from strategies.checks import (
    NO_REPLY,
    NUM_EXAMPLES,
    OTHER_NODE,
    UNREADABLE,
    Holder,
    Part,
    Refusal,
    UnusableError,
    refusal_of,
)
from strategies.flower.log import log
from strategies.streaming import RunningSum
from strategies.wire import Weights, bytes_by_owner, sums_of

OTHER = "other"
_WARNING = 30
T = TypeVar("T")
Read = Callable[[Holder, RecordDict], tuple[T, list[Refusal]]]
"""Makes of one site's reply what can be used of it, and a refusal of each thing in it that cannot."""
Refuse = Callable[[Sequence[Refusal]], None]


@dataclass
class Traffic:
    """Payload bytes by site and modality, both ways, over the whole study."""

    owners: Collection[str] = ()
    """The modalities and `shared` and `study`: bytes of anything else that a site sends are its `other`. Empty: all."""
    down: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    up: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))

    def count(self, direction: Mapping[str, dict[str, int]], site: str, content: RecordDict) -> None:
        """Add one message."""
        for owner, size in bytes_by_owner(content).items():
            direction[site][owner if owner in self.owners or not self.owners else OTHER] += size

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


def usable(
    replies: Iterable[Message], asked: Mapping[str, Holder], read: Read[T], traffic: Traffic, refuse: Refuse
) -> Iterator[tuple[Holder, T]]:
    """Each site that was asked, with what can be used of its reply; everything else, silence included, is refused.

    `asked` is by message id. One reply at a time is in memory, provided that the caller drops what it was given.
    """
    silent = dict(asked)
    for reply in replies:
        holder = silent.pop(reply.metadata.reply_to_message_id, None)
        if holder is None:
            refuse([Refusal("?", "*", "a second reply, or one to a message that was not sent in this exchange")])
            continue
        try:
            content, refused = _opened(reply, holder, read, traffic)
        except UnusableError as error:
            content, refused = None, [Refusal(holder.site, "*", str(error))]
        except Exception:  # whatever a site can think of sending
            log(_WARNING, "site %s: %s", holder.site, UNREADABLE, exc_info=True)
            content, refused = None, [Refusal(holder.site, "*", UNREADABLE)]
        del reply
        refuse(refused)
        if content is not None:
            yield holder, content
        del content
    refuse([Refusal(holder.site, "*", NO_REPLY) for holder in silent.values()])


def _opened(reply: Message, holder: Holder, read: Read[T], traffic: Traffic) -> tuple[T | None, list[Refusal]]:
    if reply.has_error():
        return None, [refusal_of(holder.site, reply.error)]
    if reply.metadata.src_node_id != holder.node_id:
        return None, [Refusal(holder.site, "*", OTHER_NODE)]
    traffic.count(traffic.up, holder.site, reply.content)
    return read(holder, reply.content)


class Exchange:
    """How the replies to one set of messages are read; this one reads each site's own."""

    def prepare(self, sent: Sequence[tuple[Message, Holder]], traffic: Traffic) -> None:
        """Add to the messages, before they leave, what the sites must know to answer."""

    def answers(
        self, replies: Iterable[Message], asked: Mapping[str, Holder], read: Read[T], traffic: Traffic, refuse: Refuse
    ) -> Iterator[tuple[Holder, T]]:
        """Each answer that can be used, with the site, or the sites together, that gave it: see `usable`."""
        yield from usable(replies, asked, read, traffic, refuse)


@dataclass
class Folded:
    """What the replies of one exchange add up to."""

    sums: dict[str, RunningSum] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    """Sites of which at least one part was used."""
    usable: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By part: the sites whose reply to it was used, those included that had nothing to train on."""
    kept: dict[str, list[tuple[Weights, int]]] = field(default_factory=dict)
    """By part whose rule sees replies side by side: what each site sent for it, with the cases it learned from."""

    def add(self, holder: Holder, parts: Mapping[str, Part], weighted: bool = True, keep: Collection[str] = ()) -> None:
        """Fold in an answer, `weighted` by its number of examples; parts in `keep` are kept one by one."""
        for part, (arrays, metrics) in parts.items():
            weight = int(metrics[NUM_EXAMPLES]) if weighted else 1
            if weight and part in keep:
                self.kept.setdefault(part, []).append((arrays, weight))
            elif weight:  # else a site that had nothing to train on, but something to score
                self.sums.setdefault(part, RunningSum()).add(arrays, float(weight))
            self.metrics[part] = sums_of([self.metrics.get(part, {}), metrics])
            self.answered.update(holder.sites(part))
            self.usable[part].update(holder.sites(part))
        if not holder.cohorts:  # under masks, a site that had to compute but nothing to send
            self.answered.add(holder.site)


def with_content(reply: Message, content: RecordDict) -> Message:
    """The same site's reply to the same message, with other content."""
    return Message(content, metadata=reply.metadata)  # pyright: ignore[reportCallIssue]  # Flower's own way


def message_to(
    holder: Holder, content: RecordDict, message_type: str, timeout: float, traffic: Traffic, group: str = ""
) -> Message:
    """A message to one site, which Flower drops after `timeout` seconds; its bytes are counted."""
    traffic.count(traffic.down, holder.site, content)
    return Message(content, holder.node_id, message_type, ttl=timeout, group_id=group)


def own_copy(config: ConfigRecord) -> ConfigRecord:
    """A copy that a strategy may write into: stock strategies share and change what they are given."""
    return ConfigRecord(dict(config))
