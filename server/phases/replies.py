"""Questions to the sites, and what becomes of their answers: used, or noted as refused."""

from collections.abc import Iterator, Mapping, Sequence

from flwr.app import ArrayRecord, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore import log

from server.phases.options import Options
from server.state.study import StudyState
from strategies.checks import LONGEST_NAME, NO_REPLY, NO_SETTINGS, UNAVAILABLE, Refusal, readable_arrays, refusal_of
from strategies.exchange import Holder, Traffic, message_to
from strategies.streaming import replies_in_order
from strategies.wire import ARRAYS, Weights, parts_in

_WARNING = 30


def query_all(
    grid: Grid,
    study: StudyState,
    holders: Sequence[Holder],
    message_type: str,
    contents: Mapping[int, RecordDict],
    options: Options,
    counted: bool = True,
) -> Iterator[tuple[Holder, Message]]:
    """Ask each site and yield those that answered, without errors; the others are noted as refused."""
    traffic = study.traffic if counted else Traffic()
    messages = [
        message_to(holder, contents[holder.node_id], message_type, options.timeout, traffic) for holder in holders
    ]
    replies = replies_in_order(grid, messages, options.timeout)
    by_id = {message.metadata.message_id: holder for message, holder in zip(messages, holders, strict=True)}
    for reply in replies:
        holder = by_id.pop(reply.metadata.reply_to_message_id, None)
        if holder is None:
            continue
        if reply.has_error():
            note(study, [refusal_of(holder.site, reply.error)])
        elif reply.metadata.src_node_id != holder.node_id:
            note(study, [Refusal(holder.site, "*", "the reply came from another node than the one asked")])
        else:
            if counted:
                study.traffic.count(study.traffic.up, holder.site, reply.content)
            yield holder, reply
    note(study, [Refusal(holder.site, "*", NO_REPLY) for holder in by_id.values()])


def sums_in(reply: Message, holder: Holder, asked: Sequence[str], study: StudyState) -> Iterator[tuple[str, Weights]]:
    """The arrays of what was asked for; anything else, and what is missing or unreadable, is noted as refused."""
    sent = parts_in(reply.content)
    strange = [
        Refusal(holder.site, part[:LONGEST_NAME], "not asked of this site") for part in sent if part not in asked
    ]
    note(study, strange)
    for name in asked:
        record = reply.content.get(ARRAYS + name)
        absent = "no arrays" if name in sent else "missing from the reply"
        arrays, reason = readable_arrays(record) if isinstance(record, ArrayRecord) else ({}, absent)
        if reason:
            note(study, [Refusal(holder.site, name, reason)])
        else:
            yield name, arrays


def held(holders: Sequence[Holder]) -> list[str]:
    """The modalities that somebody holds, by name."""
    return sorted({name for holder in holders for name in holder.cohorts})


def note(study: StudyState, refused: Sequence[Refusal]) -> None:
    """Keep what was refused, and say so in the log; that a site is away, once for each time."""
    for refusal in refused:
        if refusal.code == NO_SETTINGS:
            study.unsettled.add(refusal.site)
        if refusal.code == UNAVAILABLE and refusal.site in study.cohorts:
            if refusal.site in study.away:
                continue
            study.away.add(refusal.site)
        study.refused.append({"site": refusal.site, "part": refusal.part, "reason": refusal.reason})
        log(_WARNING, "site %s, %s: %s", refusal.site, refusal.part, refusal.reason)
