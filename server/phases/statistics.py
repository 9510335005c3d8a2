"""Phase 2: the statistics that all sites share, as sums of what each has."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from flwr.app import RecordDict

from modalities.core.contract import Cases
from modalities.core.registry import plugin, public_scale_of
from modalities.core.settings.training import BranchConfig
from server.phases.sites import Sites, held
from server.state.notes import WARNING
from strategies.checks import (
    CLASS_COUNTS,
    Holder,
    Refusal,
    parts_used,
    sums_part,
)
from strategies.masked_exchange.wire import COUNTS
from strategies.statistics import add_sums
from strategies.wire import ARRAYS, CONFIG, METRICS, STUDY, Weights, config_record, parts_in, to_record

_Sums = tuple[dict[str, list[tuple[str, Weights]]], dict[str, Holder]]


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
            left[asked.site] = without_turned_down(sites, by_site[asked.site], answer, templates)
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
    answered: dict[str, set[str]] = {part: set() for part in templates}
    for asked, parts in sites.ask(message_type, questions, read):
        for part, arrays in parts.items():
            sums[part].append((asked.site, arrays))
            answered[part].update(asked.sites(part))
    for part in templates:
        what = f"statistics of {part}" if part != STUDY else "class counts"
        holders_of_it = {site for site, own in left.items() if part == STUDY or part in own.cohorts}
        sites.study.missing.add(what, None, holders_of_it - answered[part])
    return sums, left


def _asked(holder: Holder, parts: Collection[str]) -> Holder:
    """The site with the parts that it is asked for, and how many cases may be in each."""
    n_cases = {part: n for part, n in holder.cohorts.items() if part in parts}
    n_cases |= {STUDY: sum(holder.cohorts.values())} if STUDY in parts else {}
    return Holder(holder.node_id, holder.site, n_cases)


def _sums_of_nobody(config: BranchConfig) -> Weights:
    """What a plug-in's sums look like under these settings; a length of 0 is one that only the data know."""
    features = config.known_features
    no_cases = Cases((), np.zeros((0, len(features)), np.float32), tuple(features))
    return plugin(config.kind).sums(no_cases, config)


def without_turned_down(sites: Sites, holder: Holder, answer: RecordDict, asked: Collection[str]) -> Holder:
    """The site without the modalities that it turned down, by not mentioning them; each is noted."""
    taken = parts_in(answer, METRICS)
    down = [name for name in holder.cohorts if name in asked and name not in taken]
    for name in down:
        sites.note(WARNING, holder.site, name, "the site turned it down; its own log says why")
    return _with(holder, [name for name in holder.cohorts if name not in down])


def _with(holder: Holder, names: Collection[str]) -> Holder:
    """The site with these of its modalities."""
    return Holder(holder.node_id, holder.site, {name: n for name, n in holder.cohorts.items() if name in names})
