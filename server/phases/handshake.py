"""Phases 1 and 2: who takes part with what, and the statistics that all sites share."""

import time
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from flwr.app import ConfigRecord, MetricRecord, RecordDict

from modalities.core.contract import Cases
from modalities.core.registry import plugin, public_scale_of
from modalities.core.settings.training import BranchConfig
from server.phases.sites import Sites, held
from server.state.notes import WARNING
from strategies.aggregation import Aggregation
from strategies.checks import (
    CLASS_COUNTS,
    LONGEST_NAME,
    MOST_CASES,
    NUM_EXAMPLES,
    Holder,
    Refusal,
    UnusableError,
    parts_used,
    shown,
    sums_part,
)
from strategies.masked_exchange.wire import COUNTS
from strategies.statistics import add_sums
from strategies.wire import ARRAYS, CONFIG, METRICS, STUDY, Weights, config_record, parts_in, record_of, to_record

_POLL_S = 1.0
_Sums = tuple[dict[str, list[tuple[str, Weights]]], dict[str, Holder]]


def wait_for_nodes(sites: Sites) -> list[int]:
    """The connected nodes, once there are as many as were asked for, or, if no number was, once no more come.

    Raises:
        RuntimeError: there are too few in time; those that are not there are named.
    """
    options = sites.options
    deadline, before, told = time.monotonic() + options.wait, -1, None
    while True:
        nodes = sorted(sites.grid.get_node_ids())
        missing = sorted({site for node_id, site in options.enrolled.items() if node_id not in nodes})
        enough = len(nodes) >= options.sites if options.sites else len(nodes) > 0 and len(nodes) == before
        if enough:
            return nodes
        if missing and missing != told:
            options.tell(sites.study, {"phase": "waiting for the sites", "missing": missing})
        if time.monotonic() > deadline:
            there = f"{len(nodes)} of {options.sites or 'any'} sites are there after {options.wait:.0f} s"
            named = f", not {', '.join(missing)}" if missing else ""
            raise RuntimeError(f"{there}{named}; go on once the others are back, or ask for fewer sites")
        told, before = missing, len(nodes)
        time.sleep(_POLL_S)


def handshake(sites: Sites, nodes: Sequence[int]) -> list[Holder]:
    """Phase 1: the sites of these nodes that take part, by name; replies are folded in this order.

    Raises:
        RuntimeError: no site takes part, or too few hold a modality for the robust rule that its settings name.
    """
    study, holders = sites.study, introduce(sites, nodes)
    absent = sorted(set(study.federation.modalities) - set(held(holders)) - set(study.progress))
    if not holders:
        raise RuntimeError("no site takes part in this study; the sites' logs say why")
    for name in absent:
        sites.note(WARNING, "*", name, "no site holds it; the study goes on without it")
    _refuse_too_few(sites, holders)
    sites.options.tell(study, {"phase": "handshake", "sites": [holder.site for holder in holders]})
    return holders


def introduce(sites: Sites, nodes: Sequence[int], taken: Collection[str] = ()) -> list[Holder]:
    """The sites of these nodes that have something to train on, by name; names in `taken` are other sites'."""
    study, enrolled = sites.study, sites.options.enrolled
    names = {node_id: f"node {position}" for position, node_id in enumerate(nodes, start=1)} | dict(enrolled)
    settings = config_record({"federation": study.federation.to_json(), "digest": study.federation.digest})
    content = RecordDict({CONFIG + STUDY: settings})
    holders: dict[str, Holder] = {}

    def read(unnamed: Holder, answer: RecordDict) -> tuple[Holder, list[Refusal]]:
        holder = Holder(unnamed.node_id, *_introduced(answer, sites))
        if enrolled.get(holder.node_id, holder.site) != holder.site:
            owner = enrolled[holder.node_id]
            raise UnusableError(f"it calls itself {holder.site!r}, but its key is enrolled as {owner!r}")
        if holder.site in holders or holder.site in taken:
            raise UnusableError(f"a second node calls itself {holder.site!r}")
        if sites.keyring is not None and holder.cohorts:
            sites.keyring.take(holder.site, record_of(answer, CONFIG + STUDY, ConfigRecord))
        study.traffic.count(study.traffic.down, holder.site, content)  # a site has a name only now
        study.traffic.count(study.traffic.up, holder.site, answer)
        return holder, []

    questions = [(Holder(node_id, names[node_id], {}), content) for node_id in nodes]
    for _, holder in sites.ask("query.capabilities", questions, read, counted=False):
        holders[holder.site] = holder
        if not holder.cohorts:
            sites.note(WARNING, holder.site, "*", "it takes part with none of its modalities; its own log says why")
    cohorts = {**study.cohorts, **{site: dict(holder.cohorts) for site, holder in holders.items()}}
    study.cohorts = dict(sorted(cohorts.items()))
    return [holders[site] for site in sorted(holders) if holders[site].cohorts]


def gather_statistics(sites: Sites, holders: Sequence[Holder]) -> list[Holder]:
    """Phase 2: sums from every site, added and finalised, once a study; who takes part, with what.

    A frozen branch keeps its own. A site sends no sums of a modality that fewer hold than its policy asks for.

    Raises:
        RuntimeError: a modality's sums came from nobody.
    """
    study = sites.study
    holders = _without_small_groups(sites, holders)
    wanted = [name for name in held(holders) if name not in study.states]
    if not wanted and study.class_counts:
        return list(holders)
    if study.federation.privacy.epsilon:
        return _take_public(sites, holders, wanted)
    configs = {name: study.federation.modalities[name] for name in wanted}
    templates = {name: _sums_of_nobody(config) for name, config in configs.items()}
    templates[STUDY] = {CLASS_COUNTS: np.zeros(study.federation.n_classes)}
    sums, left = _masked_sums(sites, holders, templates) if sites.keyring else _ask_for_sums(sites, holders, templates)
    study.cohorts |= {site: dict(holder.cohorts) for site, holder in left.items()}
    kept = [holder for holder in left.values() if holder.cohorts]
    for name in [name for name in templates if name == STUDY or name in held(kept)]:
        total, refused = add_sums(sums[name], name)
        sites.refuse(refused)
        if not total:
            raise RuntimeError(f"{name}: no site sent usable statistics; the sites' logs say why")
        if name == STUDY:
            study.class_counts = total[CLASS_COUNTS].tolist()
        else:
            study.states[name] = plugin(configs[name].kind).finalise(total, configs[name])
    sites.options.step(study, {"phase": "statistics"})
    return kept


def _take_public(sites: Sites, holders: Sequence[Holder], wanted: Sequence[str]) -> list[Holder]:
    """Scales from settings and public constants, and no class counts: under an epsilon no site is asked for sums."""
    study = sites.study
    for name in wanted:
        config = study.federation.modalities[name]
        study.states[name] = public_scale_of(config.kind).public_state(config)
    study.class_counts = [0.0] * study.federation.n_classes
    sites.options.step(study, {"phase": "statistics"})
    return list(holders)


def _without_small_groups(sites: Sites, holders: Sequence[Holder]) -> list[Holder]:
    """The sites without the modalities of which too few of them are there for a sum to be opened."""
    if sites.keyring is None:
        return list(holders)
    least, few = sites.study.federation.privacy.least_sites, set()
    for name in [name for name in held(holders) if name not in sites.study.states]:
        n_sites = sum(name in holder.cohorts for holder in holders)
        if n_sites < least:
            few.add(name)
            what = (
                f"{n_sites} sites hold it, and under masks a sum is of at least {least}; the study goes on without it"
            )
            sites.note(WARNING, "*", name, what)
    left = [_with(holder, [name for name in holder.cohorts if name not in few]) for holder in holders]
    if not any(holder.cohorts for holder in left):
        raise RuntimeError(
            f"no modality has the {least} sites that a sum under masks takes (privacy of federation.yaml)"
        )
    return [holder for holder in left if holder.cohorts]


def _masked_sums(sites: Sites, holders: Sequence[Holder], templates: Mapping[str, Weights]) -> _Sums:
    """The same in two steps: first counts, which the sites are told, then sums of what enough cases have in all."""
    counted = {name: {"n": template["n"]} for name, template in templates.items() if "n" in template}
    counts, _ = _ask_for_sums(sites, holders, {**counted, STUDY: templates[STUDY]}, COUNTS)
    known = {name: sums for name in counted for _, sums in counts[name]}
    sums, left = _ask_for_sums(
        sites, holders, {name: own for name, own in templates.items() if name != STUDY}, known=known
    )
    return {**sums, STUDY: counts[STUDY]}, left


def _ask_for_sums(
    sites: Sites,
    holders: Sequence[Holder],
    templates: Mapping[str, Weights],
    message_type: str = "query.statistics",
    known: Mapping[str, Weights] = MappingProxyType({}),
) -> _Sums:
    """By part, the name and the sums of each site; and all sites, without the modalities that they turned down.

    `known` goes along: how many cases of all sites have each feature.
    """
    asked_of = {holder.site: _asked(holder, templates) for holder in holders}
    numbers = {name: {"holders": sum(name in holder.cohorts for holder in holders)} for name in templates}
    numbers |= {STUDY: {}} if STUDY in templates else {}
    by_site = {holder.site: holder for holder in holders}
    left = dict(by_site)

    def read(asked: Holder, answer: RecordDict) -> tuple[dict[str, Weights], list[Refusal]]:
        if asked.site in by_site:
            left[asked.site] = _without_turned_down(sites, by_site[asked.site], answer, templates)
            asked = _asked(left[asked.site], templates)
        return parts_used(asked, answer, sums_part(templates))

    questions = [
        (
            asked,
            RecordDict(
                {
                    **{CONFIG + part: config_record(numbers[part]) for part in asked.cohorts},
                    **{ARRAYS + part: to_record(known[part]) for part in asked.cohorts if part in known},
                }
            ),
        )
        for asked in asked_of.values()
    ]
    sums: dict[str, list[tuple[str, Weights]]] = {part: [] for part in templates}
    for asked, parts in sites.ask(message_type, questions, read):
        for part, arrays in parts.items():
            sums[part].append((asked.site, arrays))
    return sums, left


def _asked(holder: Holder, parts: Collection[str]) -> Holder:
    """The site with the parts that it is asked for, and how many cases may be in each."""
    n_cases = {part: n for part, n in holder.cohorts.items() if part in parts}
    n_cases |= {STUDY: sum(holder.cohorts.values())} if STUDY in parts else {}
    return Holder(holder.node_id, holder.site, n_cases)


def _with(holder: Holder, names: Collection[str]) -> Holder:
    """The site with these of its modalities."""
    return Holder(holder.node_id, holder.site, {name: n for name, n in holder.cohorts.items() if name in names})


def _sums_of_nobody(config: BranchConfig) -> Weights:
    """What a plug-in's sums look like under these settings; a length of 0 is one that only the data know."""
    features = config.known_features
    no_cases = Cases((), np.zeros((0, len(features)), np.float32), tuple(features))
    return plugin(config.kind).sums(no_cases, config)


def _without_turned_down(sites: Sites, holder: Holder, answer: RecordDict, asked: Collection[str]) -> Holder:
    """The site without the modalities that it turned down, by not mentioning them; each is noted."""
    taken = parts_in(answer, METRICS)
    down = [name for name in holder.cohorts if name in asked and name not in taken]
    for name in down:
        sites.note(WARNING, holder.site, name, "the site turned it down; its own log says why")
    return _with(holder, [name for name in holder.cohorts if name not in down])


def send_setup(sites: Sites, holders: Sequence[Holder]) -> list[Holder]:
    """Give every site the settings and the shared statistics of its modalities, once a run; who takes part, with what.

    A site may turn a modality down, where fewer hold it than its policy asks for. Then fewer hold it, so the others
    are asked again, until nobody turns down what is left.

    Raises:
        RuntimeError: no site is left, or too few hold a modality for the robust rule that its settings name.
    """
    study, asked = sites.study, list(holders)
    while (agreed := settle(sites, asked, asked)) != asked:
        if not agreed:
            raise RuntimeError("no site took in the settings; the sites' logs say why")
        asked = agreed
    study.cohorts |= {holder.site: {} for holder in holders if holder.site not in {own.site for own in agreed}}
    _refuse_too_few(sites, agreed)
    sites.options.tell(study, {"phase": "setup", "sites": [holder.site for holder in agreed]})
    return agreed


def settle(sites: Sites, asked: Sequence[Holder], holders: Sequence[Holder]) -> list[Holder]:
    """One round of the setup: the sites that answered, with the modalities that they took; `holders` are all sites.

    The summed class counts go along only where a branch's loss needs them.
    """
    study = sites.study
    needed = any(config.training.needs_class_counts for config in study.federation.modalities.values())
    counts = {CLASS_COUNTS: study.class_counts} if needed else {}
    settings = config_record({"federation": study.federation.to_json(), **counts})
    numbers = {name: sum(name in holder.cohorts for holder in holders) for name in held(holders)}
    questions = [
        (
            holder,
            RecordDict(
                {
                    CONFIG + STUDY: settings,
                    **{CONFIG + name: config_record({"holders": numbers[name]}) for name in holder.cohorts},
                    **{ARRAYS + name: to_record(study.states[name]) for name in holder.cohorts},
                }
            ),
        )
        for holder in asked
    ]

    def read(holder: Holder, answer: RecordDict) -> tuple[Holder, list[Refusal]]:
        if sites.keyring is not None:  # a site that was started anew may have made another key
            sites.keyring.take(holder.site, record_of(answer, CONFIG + STUDY, ConfigRecord))
        return _without_turned_down(sites, holder, answer, holder.cohorts), []

    agreed = [holder for _, holder in sites.ask("query.setup", questions, read)]
    study.cohorts |= {holder.site: dict(holder.cohorts) for holder in agreed}
    return [holder for holder in agreed if holder.cohorts]


def _refuse_too_few(sites: Sites, holders: Sequence[Holder]) -> None:
    """Stop before the first round of a modality that too few sites hold for its rule; once begun, it may wait."""
    study, problems = sites.study, []
    for name in held(holders):
        is_begun = name in study.frozen or name in study.progress
        n_sites = sum(name in holder.cohorts for holder in holders)
        reason = "" if is_begun else Aggregation(study.federation.modalities[name].federated).shortage(n_sites)
        problems += [f"modality {name}: {reason}"] if reason else []
    if problems:
        remedy = "wait for more sites, or choose another rule under modalities.NAME.federated"
        raise RuntimeError(f"{'; '.join(problems)}; {remedy} (docs/strategies.md)")


def _introduced(answer: RecordDict, sites: Sites) -> tuple[str, dict[str, int]]:
    """The name that the site gives, and by modality the cases that it trains on.

    Raises:
        UnusableError: it cannot take part.
    """
    config, federation = answer.get(CONFIG + STUDY), sites.study.federation
    name = config.get("site") if isinstance(config, ConfigRecord) else None
    if not isinstance(config, ConfigRecord) or not isinstance(name, str) or not name:
        raise UnusableError("the site did not say its name")
    if name != shown(name):
        raise UnusableError(f"its name is longer than {LONGEST_NAME} letters, or cannot be printed")
    if config.get("digest") != federation.digest:
        raise UnusableError("the site understood other settings than were sent: do the versions agree?")
    cohorts = {}
    for modality in parts_in(answer, METRICS):
        record = answer[METRICS + modality]
        n = record.get(NUM_EXAMPLES) if isinstance(record, MetricRecord) else None
        if modality not in federation.modalities or not isinstance(n, int) or not 1 <= n <= MOST_CASES:
            raise UnusableError(f"it announced {shown(modality)!r} with {shown(repr(n))} cases")
        cohorts[modality] = n
    return name, cohorts
