"""Phases 1 and 2: who takes part with what, and the statistics that all sites share."""

import time
from collections.abc import Collection, Sequence

from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from modalities.core.registry import plugin
from server.phases.options import Options
from server.phases.replies import held, note, query_all, sums_in
from server.state.study import StudyState
from strategies.aggregation import Aggregation
from strategies.checks import CLASS_COUNTS, NUM_EXAMPLES, Refusal
from strategies.exchange import Holder
from strategies.statistics import add_sums
from strategies.wire import ARRAYS, CONFIG, METRICS, STUDY, config_record, parts_in, to_record

TAKES_NO_PART = "it takes part with nothing that it has; its own log says why"
_POLL_S = 1.0


def wait_for_nodes(grid: Grid, study: StudyState, options: Options) -> list[int]:
    """The nodes that are there: as many as were asked for, or all once their number stands still.

    Raises:
        RuntimeError: there are too few in time; those that are not there are named.
    """
    deadline, before, told = time.monotonic() + options.wait, -1, None
    while True:
        nodes = sorted(grid.get_node_ids())
        missing = sorted({site for node_id, site in options.enrolled.items() if node_id not in nodes})
        enough = len(nodes) >= options.sites if options.sites else len(nodes) > 0 and len(nodes) == before
        if enough:
            return nodes
        if missing and missing != told:
            options.tell(study, {"phase": "waiting for the sites", "missing": missing})
        if time.monotonic() > deadline:
            there = f"{len(nodes)} of {options.sites or 'any'} sites are there after {options.wait:.0f} s"
            named = f", not {', '.join(missing)}" if missing else ""
            raise RuntimeError(f"{there}{named}; go on once the others are back, or ask for fewer sites")
        told, before = missing, len(nodes)
        time.sleep(_POLL_S)


def handshake(grid: Grid, study: StudyState, nodes: Sequence[int], options: Options) -> list[Holder]:
    """Phase 1: the sites of these nodes that take part, by name; replies are folded in this order.

    Raises:
        RuntimeError: no site takes part, or too few hold a modality for the robust rule that its settings name.
    """
    found = introduce(grid, study, nodes, options)
    absent = sorted(set(study.federation.modalities) - set(held(found)) - set(study.progress))
    if not found:
        raise RuntimeError("no site takes part in this study; the sites' logs say why")
    note(study, [Refusal("*", name, "no site holds it; the study goes on without it") for name in absent])
    _refuse_too_few(study, found)
    options.tell(study, {"phase": "handshake", "sites": [holder.site for holder in found]})
    return found


def introduce(
    grid: Grid, study: StudyState, nodes: Sequence[int], options: Options, known: Collection[str] = ()
) -> list[Holder]:
    """The sites of these nodes that have something to train on, by name; `known` are sites that others are."""
    names = {node_id: f"node {position}" for position, node_id in enumerate(nodes, start=1)} | dict(options.enrolled)
    unnamed = [Holder(node_id, names[node_id], {}) for node_id in nodes]
    settings = config_record({"federation": study.federation.to_json(), "digest": study.federation.digest})
    contents = {holder.node_id: RecordDict({CONFIG + STUDY: settings}) for holder in unnamed}
    holders: dict[str, Holder] = {}
    for unknown, reply in query_all(grid, study, unnamed, "query.capabilities", contents, options, counted=False):
        holder, reason = _introduced(reply, unknown.node_id, study)
        owner = options.enrolled.get(unknown.node_id)
        if holder is not None and owner not in (None, holder.site):
            holder, reason = None, f"it calls itself {holder.site!r}, but its key is enrolled as {owner!r}"
        if holder is not None and (holder.site in holders or holder.site in known):
            holder, reason = None, f"a second node calls itself {holder.site!r}"
        if holder is None:
            note(study, [Refusal(unknown.site, "*", reason)])
            continue
        holders[holder.site] = holder
        note(study, [] if holder.cohorts else [Refusal(holder.site, "*", TAKES_NO_PART)])
        study.traffic.count(study.traffic.down, holder.site, contents[holder.node_id])
        study.traffic.count(study.traffic.up, holder.site, reply.content)
    study.cohorts = dict(
        sorted({**study.cohorts, **{site: dict(own.cohorts) for site, own in holders.items()}}.items())
    )
    return [holders[site] for site in sorted(holders) if holders[site].cohorts]


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
    while (agreed := settle(grid, study, asked, asked, options)) != asked:
        if not agreed:
            raise RuntimeError("no site took in the settings; the sites' logs say why")
        asked = agreed
    study.cohorts |= {holder.site: {} for holder in holders if holder.site not in {own.site for own in agreed}}
    _refuse_too_few(study, agreed)
    options.tell(study, {"phase": "setup", "sites": [holder.site for holder in agreed]})
    return agreed


def settle(
    grid: Grid, study: StudyState, asked: Sequence[Holder], known: Sequence[Holder], options: Options
) -> list[Holder]:
    """One round of the setup: those of the sites that answered, with the modalities that they took.

    `known` are all who hold something. The summed class counts go along only where a branch's loss needs them.
    """
    needed = any(config.training.needs_class_counts for config in study.federation.modalities.values())
    counts = {CLASS_COUNTS: study.class_counts} if needed else {}
    settings = config_record({"federation": study.federation.to_json(), **counts})
    numbers = {name: sum(name in holder.cohorts for holder in known) for name in held(known)}
    contents = {
        holder.node_id: RecordDict(
            {
                CONFIG + STUDY: settings,
                **{CONFIG + name: config_record({"holders": numbers[name]}) for name in holder.cohorts},
                **{ARRAYS + name: to_record(study.states[name]) for name in holder.cohorts},
            }
        )
        for holder in asked
    }
    agreed = []
    for holder, reply in query_all(grid, study, asked, "query.setup", contents, options):
        own = _without_turned_down(study, holder, reply, list(holder.cohorts))
        study.cohorts[holder.site] = dict(own.cohorts)
        agreed += [own] if own.cohorts else []
    return agreed


def _refuse_too_few(study: StudyState, holders: Sequence[Holder]) -> None:
    """Stop before the first round of a modality that too few sites hold for its rule; once begun, it may wait."""
    problems = []
    for name in held(holders):
        is_begun = name in study.frozen or name in study.progress
        n_sites = sum(name in holder.cohorts for holder in holders)
        reason = "" if is_begun else Aggregation(study.federation.modalities[name].federated).shortage(n_sites)
        problems += [f"modality {name}: {reason}"] if reason else []
    if problems:
        remedy = "wait for more sites, or choose another rule under modalities.NAME.federated"
        raise RuntimeError(f"{'; '.join(problems)}; {remedy} (docs/strategies.md)")


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
