"""The first trip's replies, added up as they come: of each site only its sealed boxes are kept."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from strategies.checks import Holder, Refusal
from strategies.exchange import Refuse
from strategies.masked_exchange.survivors import Survivors
from strategies.masked_exchange.wire import BOXES, INPUTS, LABEL, LAYOUT
from strategies.masking.numbers import Fixed
from strategies.masking.vectors import Vector
from strategies.wire import ARRAYS, CONFIG, MASKED, from_record, record_of

NO_VECTOR = "not a masked vector of the form that the settings ask for"
OTHER_QUESTION = "masked for another question, or with other keys, than at most sites"
OTHER_LENGTHS = "other lengths than most sites: the features differ"
SETTLED = "its answer came after it was settled whose sum is opened; it is not used"


@dataclass(frozen=True)
class MaskedReply:
    """What one site sent of a group."""

    label: str
    inputs: str
    layout: str
    vector: Vector
    boxes: list[bytes]
    """The site's sealed shares, in the order of the members."""


@dataclass
class MaskedSum:
    """Vectors under one label, added up."""

    label: str
    inputs: str
    layout: str
    total: Vector
    boxes: dict[str, list[bytes]] = field(default_factory=dict)
    """Site -> its boxes."""

    @property
    def survivors(self) -> list[str]:
        """The sites that are in the sum."""
        return sorted(self.boxes)

    def takes(self, reply: MaskedReply) -> bool:
        """Whether the vector can be added."""
        return reply.layout == self.layout and reply.vector.is_like(self.total)


def masked_reply(content: RecordDict, group: str, fixed: Fixed, n_members: int) -> MaskedReply:
    """What a site sent of a group.

    Raises:
        ValueError, TypeError, KeyError: it is not of this form.
    """
    config = record_of(content, CONFIG + MASKED + group, ConfigRecord)
    arrays = from_record(record_of(content, ARRAYS + MASKED + group, ArrayRecord))
    vector = Vector(arrays["weights"], arrays["sums"])
    if vector.weights.dtype != fixed.dtype or vector.weights.ndim != 1:
        raise ValueError("weights in another format")
    if vector.sums.dtype != np.uint64 or vector.sums.ndim != 2 or vector.sums.shape[1] != 2:
        raise ValueError("sums in another format")
    boxes = list(config[BOXES])  # pyright: ignore[reportArgumentType]
    if len(boxes) != n_members or not all(isinstance(box, bytes) for box in boxes):
        raise ValueError("not a box for each member")
    return MaskedReply(str(config[LABEL]), str(config[INPUTS]), str(config[LAYOUT]), vector, boxes)  # pyright: ignore


def added_up(
    answers: Iterable[tuple[Holder, dict[str, MaskedReply]]], survivors: Survivors, refuse: Refuse
) -> dict[str, MaskedSum]:
    """By group, the vectors under the label that most sites used."""
    sums: dict[str, dict[tuple[str, str], MaskedSum]] = defaultdict(dict)
    for holder, replies in answers:
        for group, reply in replies.items():
            settled = survivors.of(reply.inputs)
            if settled and holder.site not in settled:
                refuse([Refusal(holder.site, group, SETTLED)])
                continue
            alike = (reply.label, reply.layout)
            total = sums[group].setdefault(alike, _begun(reply))
            if total.takes(reply):
                total.total.add(reply.vector)
                total.boxes[holder.site] = reply.boxes
            else:
                refuse([Refusal(holder.site, group, OTHER_LENGTHS)])
        replies.clear()  # so that one vector is held at a time
    chosen = {group: max(alike.values(), key=lambda one: len(one.boxes)) for group, alike in sums.items()}
    for group, others in sums.items():
        refuse(_strangers(group, chosen[group], list(others.values())))
    return chosen


def _strangers(group: str, chosen: MaskedSum, sums: Sequence[MaskedSum]) -> list[Refusal]:
    return [
        Refusal(site, group, OTHER_QUESTION if other.label != chosen.label else OTHER_LENGTHS)
        for other in sums
        if other is not chosen
        for site in other.boxes
    ]


def _begun(reply: MaskedReply) -> MaskedSum:
    zeros = Vector(np.zeros_like(reply.vector.weights), np.zeros_like(reply.vector.sums))
    return MaskedSum(reply.label, reply.inputs, reply.layout, zeros)


Sums = Mapping[str, MaskedSum]
