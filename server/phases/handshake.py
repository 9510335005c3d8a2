"""Phase 1 and the setup: who takes part with what, and what each site is sent before the rounds."""

import time
from collections.abc import Collection, Sequence

from flwr.app import ConfigRecord, MetricRecord, RecordDict

from server.phases.sites import Sites, held
from server.phases.statistics import without_turned_down
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
    shown,
)
from strategies.evaluation.wire import EVALUATES, TAKES_PART
from strategies.wire import ARRAYS, BEGUN, CONFIG, METRICS, STUDY, config_record, parts_in, record_of, to_record

_POLL_S = 1.0
_LEAST_TO_COUNT = 3
"""Sites whose training cases are counted together for each of them."""


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
    """The sites of these nodes that have something to train on, by name; names in `taken` are other sites'.

    Those that only evaluate are remembered for the last phase.
    """
    study, enrolled = sites.study, sites.options.enrolled
    names = {node_id: f"node {position}" for position, node_id in enumerate(nodes, start=1)} | dict(enrolled)
    about = {"federation": study.federation.to_json(), "digest": study.federation.digest, BEGUN: bool(study.states)}
    settings = config_record(about)
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
    sites.evaluators |= {site: holders.pop(site) for site in list(holders) if holders[site].only_evaluates}
    study.evaluators |= set(sites.evaluators)
    cohorts = {**study.cohorts, **{site: dict(holder.cohorts) for site, holder in holders.items()}}
    study.cohorts = dict(sorted(cohorts.items()))
    return [holders[site] for site in sorted(holders) if holders[site].cohorts]


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
    counted = [holder for holder in holders if sites.is_released or not holder.only_evaluates]
    told = {name: _about(name, counted) for name in held(holders)}
    questions = [
        (
            holder,
            RecordDict(
                {
                    CONFIG + STUDY: settings,
                    **{CONFIG + name: config_record(told[name]) for name in holder.cohorts},
                    **{ARRAYS + name: to_record(study.states[name]) for name in holder.cohorts},
                }
            ),
        )
        for holder in asked
    ]

    def read(holder: Holder, answer: RecordDict) -> tuple[Holder, list[Refusal]]:
        if sites.keyring is not None:  # a site that was started anew may have made another key
            sites.keyring.take(holder.site, record_of(answer, CONFIG + STUDY, ConfigRecord))
        return without_turned_down(sites, holder, answer, holder.cohorts), []

    agreed = [holder for _, holder in sites.ask("query.setup", questions, read)]
    study.cohorts |= {holder.site: dict(holder.cohorts) for holder in agreed if holder.site not in sites.evaluators}
    return [holder for holder in agreed if holder.cohorts]


def _about(modality: str, holders: Sequence[Holder]) -> dict[str, int]:
    """How many sites hold the modality; and, of three or more, how many training cases all of them have.

    With the latter a site compares itself with the others. Of two sites, it would be the other one's.
    """
    n_cases = [holder.cohorts[modality] for holder in holders if holder.cohorts.get(modality)]
    about = {"holders": sum(modality in holder.cohorts for holder in holders)}
    return {**about, "cases": sum(n_cases)} if len(n_cases) >= _LEAST_TO_COUNT else about


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
    """The name that the site gives, and by modality the cases that it trains on."""
    config, federation = answer.get(CONFIG + STUDY), sites.study.federation
    name = config.get("site") if isinstance(config, ConfigRecord) else None
    if not isinstance(config, ConfigRecord) or not isinstance(name, str) or not name:
        raise UnusableError("the site did not say its name")
    if name != shown(name):
        raise UnusableError(f"its name is longer than {LONGEST_NAME} letters, or cannot be printed")
    if config.get("digest") != federation.digest:
        raise UnusableError("the site understood other settings than were sent: do the versions agree?")
    evaluates, cohorts = config.get(TAKES_PART) == EVALUATES, {}
    for modality in parts_in(answer, METRICS):
        record = answer[METRICS + modality]
        n = record.get(NUM_EXAMPLES) if isinstance(record, MetricRecord) else None
        is_right = n == 0 if evaluates else isinstance(n, int) and 1 <= n <= MOST_CASES
        if modality not in federation.modalities or not isinstance(n, int) or not is_right:
            raise UnusableError(f"it announced {shown(modality)!r} with {shown(repr(n))} cases")
        cohorts[modality] = n
    return name, cohorts
