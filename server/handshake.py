"""Phases 1 and 2: who takes part with what, and the statistics that all sites share."""

import time
from collections.abc import Iterator, Mapping, Sequence

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.supercore import log

from modalities.core.registry import plugin
from server.options import Options
from server.state import StudyState
from strategies.checks import CLASS_COUNTS, LONGEST_NAME, NUM_EXAMPLES, Refusal, readable_arrays
from strategies.exchange import Holder, Traffic, message_to
from strategies.robust import shortage
from strategies.statistics import add_sums
from strategies.streaming import replies_in_order
from strategies.wire import ARRAYS, CONFIG, METRICS, STUDY, Weights, config_record, parts_in, to_record

_WARNING = 30
_POLL_S = 1.0


def handshake(grid: Grid, study: StudyState, options: Options) -> list[Holder]:
    """Phase 1: the sites that take part, by name; replies are folded in this order.

    Raises:
        RuntimeError: no site takes part, or too few hold a modality for the robust rule that its settings name.
    """
    nodes = _nodes(grid, options)
    unnamed = [Holder(node_id, f"node {position}", {}) for position, node_id in enumerate(nodes, start=1)]
    settings = config_record({"federation": study.federation.to_json(), "digest": study.federation.digest})
    contents = {holder.node_id: RecordDict({CONFIG + STUDY: settings}) for holder in unnamed}
    holders: dict[str, Holder] = {}
    for unknown, reply in query_all(grid, study, unnamed, "query.capabilities", contents, options, counted=False):
        holder, reason = _introduced(reply, unknown.node_id, study)
        owner = options.enrolled.get(unknown.node_id)
        if holder is not None and owner not in (None, holder.site):
            holder, reason = None, f"it calls itself {holder.site!r}, but its key is enrolled as {owner!r}"
        if holder is not None and holder.site in holders:
            holder, reason = None, f"a second node calls itself {holder.site!r}"
        if holder is None:
            note(study, [Refusal(unknown.site, "*", reason)])
            continue
        holders[holder.site] = holder
        study.traffic.count(study.traffic.down, holder.site, contents[holder.node_id])
        study.traffic.count(study.traffic.up, holder.site, reply.content)
    found = [holders[site] for site in sorted(holders) if holders[site].cohorts]
    study.cohorts = {site: dict(holder.cohorts) for site, holder in sorted(holders.items())}
    absent = sorted(set(study.federation.modalities) - set(held(found)))
    if not found or (absent and not held(found)):
        raise RuntimeError("no site takes part in this study; the sites' logs say why")
    note(study, [Refusal("*", name, "no site holds it; the study goes on without it") for name in absent])
    _refuse_too_few(study, found)
    options.tell(study, {"phase": "handshake", "sites": [holder.site for holder in found]})
    return found


def gather_statistics(grid: Grid, study: StudyState, holders: Sequence[Holder], options: Options) -> list[Holder]:
    """Phase 2: sums from every site, added and finalised, once a study; who takes part, with what.

    A frozen branch keeps its own. A site sends no sums of a modality that fewer hold than its policy asks for.

    Raises:
        RuntimeError: a modality's sums came from nobody.
    """
    wanted = [name for name in held(holders) if name not in study.states]
    if not wanted and study.class_counts:
        return list(holders)
    numbers = {name: {"holders": sum(name in holder.cohorts for holder in holders)} for name in wanted} | {STUDY: {}}
    contents = {
        holder.node_id: RecordDict(
            {CONFIG + name: config_record(own) for name, own in numbers.items() if _asks(holder, name)}
        )
        for holder in holders
    }
    sums: dict[str, list] = {name: [] for name in numbers}
    left = {holder.site: holder for holder in holders}
    for holder, reply in query_all(grid, study, holders, "query.statistics", contents, options):
        own = left[holder.site] = _without_turned_down(study, holder, reply, wanted)
        for name, arrays in sums_in(reply, own, [name for name in sums if _asks(own, name)], study):
            sums[name].append((holder.site, arrays))
    study.cohorts |= {site: dict(own.cohorts) for site, own in left.items()}
    kept = [own for own in left.values() if own.cohorts]
    for name in [name for name in sums if name == STUDY or name in held(kept)]:
        most = {holder.site: holder.cohorts.get(name, sum(holder.cohorts.values())) for holder in holders}
        total, refused = add_sums(sums[name], most, name)
        note(study, refused)
        if not total:
            raise RuntimeError(f"{name}: no site sent usable statistics; the sites' logs say why")
        if name == STUDY:
            study.class_counts = total[CLASS_COUNTS].tolist()
        else:
            config = study.federation.modalities[name]
            study.states[name] = plugin(config.kind).finalise(total, config)
    options.step(study, {"phase": "statistics"})
    return kept


def _without_turned_down(study: StudyState, holder: Holder, reply: Message, asked: Sequence[str]) -> Holder:
    """The site without the modalities that it was asked for and says nothing of; each is noted."""
    down = [name for name in asked if name in holder.cohorts and name not in parts_in(reply.content, METRICS)]
    note(study, [Refusal(holder.site, name, "the site turned it down; its own log says why") for name in down])
    return Holder(holder.node_id, holder.site, {name: n for name, n in holder.cohorts.items() if name not in down})


def send_setup(grid: Grid, study: StudyState, holders: Sequence[Holder], options: Options) -> list[Holder]:
    """Give every site the settings and the shared statistics of its modalities, once a run; who takes part, with what.

    A site may turn a modality down, where fewer hold it than its policy asks for. Then fewer hold it, so the others
    are asked again, until nobody turns down what is left.

    Raises:
        RuntimeError: no site is left, or too few hold a modality for the robust rule that its settings name.
    """
    asked = list(holders)
    while (agreed := _agreed(grid, study, asked, options)) != asked:
        asked = agreed
    left = {holder.site: dict(holder.cohorts) for holder in agreed}
    study.cohorts = {site: left.get(site, {}) for site in study.cohorts}
    _refuse_too_few(study, agreed)
    options.tell(study, {"phase": "setup", "sites": list(left)})
    return agreed


def _agreed(grid: Grid, study: StudyState, holders: Sequence[Holder], options: Options) -> list[Holder]:
    """One round of the setup: the sites that answered, with the modalities that they took.

    The summed class counts go along only where a branch's loss needs them.
    """
    needed = any(config.training.needs_class_counts for config in study.federation.modalities.values())
    counts = {CLASS_COUNTS: study.class_counts} if needed else {}
    settings = config_record({"federation": study.federation.to_json(), **counts})
    numbers = {name: sum(name in holder.cohorts for holder in holders) for name in held(holders)}
    contents = {
        holder.node_id: RecordDict(
            {
                CONFIG + STUDY: settings,
                **{CONFIG + name: config_record({"holders": numbers[name]}) for name in holder.cohorts},
                **{ARRAYS + name: to_record(study.states[name]) for name in holder.cohorts},
            }
        )
        for holder in holders
    }
    agreed = []
    for holder, reply in query_all(grid, study, holders, "query.setup", contents, options):
        taken = {name: n for name, n in holder.cohorts.items() if name in parts_in(reply.content, METRICS)}
        turned_down = [
            Refusal(holder.site, name, "the site turned it down; its own log says why")
            for name in holder.cohorts
            if name not in taken
        ]
        note(study, turned_down)
        agreed += [Holder(holder.node_id, holder.site, taken)] if taken else []
    if not agreed:
        raise RuntimeError("no site took in the settings; the sites' logs say why")
    return agreed


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
            note(
                study, [Refusal(holder.site, "*", f"the site reported error {reply.error.code}; its own log says more")]
            )
        elif reply.metadata.src_node_id != holder.node_id:
            note(study, [Refusal(holder.site, "*", "the reply came from another node than the one asked")])
        else:
            if counted:
                study.traffic.count(study.traffic.up, holder.site, reply.content)
            yield holder, reply
    note(study, [Refusal(holder.site, "*", "no reply before the deadline") for holder in by_id.values()])


def held(holders: Sequence[Holder]) -> list[str]:
    """The modalities that somebody holds, by name."""
    return sorted({name for holder in holders for name in holder.cohorts})


def note(study: StudyState, refused: Sequence[Refusal]) -> None:
    """Keep what was refused, and say so in the log."""
    for refusal in refused:
        study.refused.append({"site": refusal.site, "part": refusal.part, "reason": refusal.reason})
        log(_WARNING, "site %s, %s: %s", refusal.site, refusal.part, refusal.reason)


def _refuse_too_few(study: StudyState, holders: Sequence[Holder]) -> None:
    """Stop before the first round where a modality that is still to be trained has too few sites for its rule."""
    problems = []
    for name in held(holders):
        is_done = name in study.frozen or (name in study.progress and study.progress[name].done)
        n_sites = sum(name in holder.cohorts for holder in holders)
        reason = "" if is_done else shortage(study.federation.modalities[name].federated, n_sites)
        problems += [f"modality {name}: {reason}"] if reason else []
    if problems:
        remedy = "wait for more sites, or choose another rule under modalities.NAME.federated"
        raise RuntimeError(f"{'; '.join(problems)}; {remedy} (docs/strategies.md)")


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


def _asks(holder: Holder, name: str) -> bool:
    return name == STUDY or name in holder.cohorts


def _introduced(reply: Message, node_id: int, study: StudyState) -> tuple[Holder | None, str]:
    """The site as it introduces itself, or why it cannot take part."""
    config = reply.content.get(CONFIG + STUDY)
    if not isinstance(config, ConfigRecord) or not isinstance(config.get("site"), str) or not config["site"]:
        return None, "the site did not say its name"
    if config.get("digest") != study.federation.digest:
        return None, "the site understood other settings than were sent: do the versions agree?"
    cohorts = {}
    for name in parts_in(reply.content, METRICS):
        record = reply.content[METRICS + name]
        n = record.get(NUM_EXAMPLES) if isinstance(record, MetricRecord) else None
        if name not in study.federation.modalities or not isinstance(n, int) or n < 1:
            return None, f"it announced {name!r} with {n!r} cases"
        cohorts[name] = n
    return Holder(node_id, str(config["site"]), cohorts), ""


def _nodes(grid: Grid, options: Options) -> list[int]:
    """The nodes that are there: as many as were asked for, or all once their number stands still."""
    deadline, before = time.monotonic() + options.wait, -1
    while True:
        nodes = sorted(grid.get_node_ids())
        enough = len(nodes) >= options.sites if options.sites else len(nodes) > 0 and len(nodes) == before
        if enough:
            return nodes
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(nodes)} of {options.sites or 'any'} sites are there after {options.wait:.0f} s")
        before = len(nodes)
        time.sleep(_POLL_S)
