"""The federated arm under differential privacy, beside the arm without: what a promise to patients costs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from modalities.core.fusion.settings import FUSION_PRESETS
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation
from modalities.core.settings.private import releases_of
from modalities.table import range_of
from simulations.arms.arms import PRIVATE
from simulations.scores.metrics import difference, summarise
from simulations.scores.predictions import Predictions
from strategies.private.accounting import epsilon_by_pld, noise_multiplier
from strategies.private.shares import honest_sites
from strategies.settings import federation_from

ARM = "federated"
NOISE = (
    "drawn from the study's seed, so that the run repeats: nobody is protected by noise that can be drawn again; at a "
    "real site it comes from the operating system"
)
"""Of the protocol: where a simulation's noise comes from."""


def arm_of(epsilon: float) -> str:
    """The private arm's name: private-8."""
    return f"{PRIVATE}{epsilon:g}"


def private_federation(federation: Federation, epsilon: float, over: Mapping[str, Any]) -> Federation:
    """The same study with every preset `private` over its settings, and over that what was asked for.

    Of a table only the features that `ranges` names, by name or pattern, are inputs.

    Raises:
        ValueError: what a private study cannot have; every problem at once.
    """
    raw = federation.to_dict()
    raw["fusion"] |= FUSION_PRESETS["private"]
    masking = "required" if federation.privacy.is_masked else "simulated"
    raw["privacy"] = {**raw.get("privacy", {}), "epsilon": float(epsilon), "masking": masking}
    for name, section in raw["modalities"].items():
        preset = plugin(section["kind"]).PRESETS.get("private", {})
        if "values" in preset and preset["values"] != section["values"]:
            section["features"] = []  # of another form of the data
        raw["modalities"][name] = _merged(section, preset)
    raw = _merged(raw, over)
    for section in raw["modalities"].values():
        if section.get("ranges"):
            section["features"] = [name for name in section["features"] if _is_named(name, section["ranges"])]
    return federation_from(raw)


def write_private(federation: Federation, epsilons: Sequence[float], over: Mapping[str, Any], out: Path) -> None:
    """The settings of each private arm, `private-8.yaml`, for the arms to read."""
    for epsilon in epsilons:
        OmegaConf.save(private_federation(federation, epsilon, over).to_dict(), out / f"{arm_of(epsilon)}.yaml")


def compare_private(
    tables: Mapping[float, pd.DataFrame],
    plain: pd.DataFrame,
    held: Mapping[float, pd.DataFrame],
    holds: pd.DataFrame,
    federations: Mapping[float, Federation],
    n_sites: int,
) -> dict[str, Any]:
    """By epsilon: what it promises and asks, every metric by SET, and the paired difference to the arm without.

    `tables` and `held` are predictions and who holds what by epsilon; `plain` and `holds` those of the comparison.
    """
    task, seed = next(iter(federations.values())).task, next(iter(federations.values())).seed
    without = Predictions(plain[plain["arm"] == ARM].reset_index(drop=True), holds, list(task.classes), seed=seed)
    found = {}
    for epsilon, table in tables.items():
        own = Predictions(table.reset_index(drop=True), held[epsilon], list(task.classes), seed=seed)
        sets = {name: _scores(own, name) for name in own.sets if own.source(ARM, name)}
        gaps = {name: _gap(own, without, name) for name in sets if _same_cases(own, without, name)}
        found[f"{epsilon:g}"] = {**_promise(federations[epsilon], n_sites), "sets": sets, "differences": gaps}
    return {"without": {name: _scores(without, name) for name in without.sets}, "epsilons": found}


def _promise(federation: Federation, n_sites: int) -> dict[str, Any]:
    """What the accountants say; the noise is that of a sum over all sites, in bounds of one patient."""
    privacy, releases = federation.privacy, releases_of(federation.modalities)
    multiplier = noise_multiplier(privacy.epsilon, privacy.delta, releases)
    least = max(privacy.least_sites, *(one.federated.min_holders for one in federation.modalities.values()))
    more = (n_sites / honest_sites(n_sites, least, privacy.colluders)) ** 0.5
    return {
        "epsilon": privacy.epsilon,
        "delta": privacy.delta,
        "releases": releases,
        "noise_multiplier": multiplier,
        "epsilon_by_pld": epsilon_by_pld(multiplier, privacy.delta, releases),
        "noise_of_all_sites": multiplier * more,
        "inputs": {name: len(config.known_features) for name, config in federation.modalities.items()},
    }


def _scores(known: Predictions, name: str) -> dict[str, Any]:
    source = known.source(ARM, name)
    if source is None:
        return {}
    scores, cases = known.scores(ARM, source, name), known.cases(name)
    labels, weights = cases.labels[scores.covered], cases.weights[:, scores.covered]
    draws = known.draws(ARM, source, name)
    return dict(summarise(scores.probabilities, labels, weights, known.classes, draws))


def _same_cases(one: Predictions, other: Predictions, name: str) -> bool:
    """Whether both are scored on the same cases: genes and arms may be known of different ones."""
    return one.people.index[one.cases(name).places].equals(other.people.index[other.cases(name).places])


def _gap(own: Predictions, without: Predictions, name: str) -> dict[str, Any]:
    sources = own.source(ARM, name), without.source(ARM, name)
    if sources[0] is None or sources[1] is None:
        return {}
    return dict(difference([(own.draws(ARM, sources[0], name), without.draws(ARM, sources[1], name))]))


def _is_named(feature: str, ranges: Mapping[str, Any]) -> bool:
    return range_of(feature, ranges) is not None


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Plain settings over others, section by section."""
    both = dict(below)
    for key, value in above.items():
        nested = isinstance(value, Mapping) and isinstance(both.get(key), Mapping)
        both[key] = _merged(both[key], value) if nested else value
    return both
