"""The site's own limits, held against whatever a server asks.

What a run config says is not covered by the approval of the code, so every number that reaches this site is checked
here, by the site's copy of the code.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modalities.core.blocks.branch import n_weights
from modalities.core.contract import State
from modalities.core.files.tables.delimited import listing
from modalities.core.fusion.evidence import Question
from modalities.core.parts import modality_of, parts_of
from modalities.core.settings.differences import differences
from modalities.core.settings.federation import Federation
from modalities.core.settings.site import Policy, SiteConfig
from strategies.settings import load_federation

SIMULATION_ONLY = ("site-root",)
"""Names of a run config that say where data lies; a real site's own node config does."""
_LARGEST = 1e9
"""No count, weight or temperature of a study comes near it."""


def beyond_policy(policy: Policy, federation: Federation, modality: str) -> list[str]:
    """What the study's settings for this modality ask beyond what the site allows; then it takes no part with it."""
    asked = federation.modalities[modality].federated
    return [f"{modality}: {asked.rounds} rounds, this site allows {policy.max_rounds}"] * (
        asked.rounds > policy.max_rounds
    ) + [f"{modality}: {asked.local_epochs} local epochs, this site allows {policy.max_local_epochs}"] * (
        asked.local_epochs > policy.max_local_epochs
    )


def too_large(policy: Policy, federation: Federation, modality: str, state: State) -> str:
    """Why this site builds no branch of this modality under the shared statistics; empty where it does."""
    n = n_weights(federation.modalities[modality], state, federation.n_classes)
    if n <= policy.max_weights:
        return ""
    return f"{modality}: {n:,} weights, this site allows {policy.max_weights:,} (policy.max_weights in site.yaml)"


def too_few_holders(policy: Policy, modality: str, n_holders: int) -> str:
    """Why this site takes no part with a modality that so many sites hold; empty where they are enough."""
    if n_holders >= policy.min_holders:
        return ""
    return (
        f"{modality}: {n_holders} sites hold it, this site takes part from {policy.min_holders} on "
        "(policy.min_holders in site.yaml)"
    )


def refuse_run_config(run: Mapping[str, Any]) -> None:
    """Refuse a run whose config would tell a real site what only it can say; nothing else of it is read here.

    Raises:
        ValueError: the run config names a place of data.
    """
    told = [f"{name} = {run[name]!r}" for name in SIMULATION_ONLY if run.get(name)]
    if told:
        raise ValueError(
            f"the run config says {', '.join(told)}: that is for simulations, and this is a real site, which takes its "
            "data from its own folder only; the run is refused, ask the coordinator why it says so"
        )


def not_agreed(config: SiteConfig, folder: Path, sent: Federation, is_real: bool) -> str:
    """Why the site takes no part under the settings that a server sent; empty if it agreed to them.

    A real site must name the settings that it agreed to: what it answers follows from them, so a coordinator that could
    choose them anew could ask for single cases.

    Raises:
        ValueError: the file that it agreed to cannot be read.
    """
    if config.policy.require_masking and not sent.privacy.is_masked:
        return (
            "the settings sent say privacy.masking: off, and policy.require_masking of site.yaml asks for masked sums"
        )
    agreed = config.coordinator.federation
    if not agreed:
        what = "site.yaml names no settings that this site agreed to (coordinator.federation); put the coordinator's"
        return f"{what} federation.yaml beside it and name it there" if is_real else ""
    unlike = differences({"agreed": load_federation(folder / agreed), "sent": sent})
    return f"other settings than this site agreed to, in {agreed}: {'; '.join(unlike)}" if unlike else ""


def round_asked(policy: Policy, federation: Federation, part: str, config: Mapping[str, Any]) -> tuple[int, float]:
    """Round and FedProx's mu of a request to train this part.

    Raises:
        ValueError: the study has no such part, the site allows fewer rounds, or a number makes no sense.
    """
    if part not in parts_of(modality_of(part), federation.fusion):
        raise ValueError(f"{part}: this study has no such part")
    server_round = int(_number(part, config, "server-round", 1, math.inf))
    if server_round > policy.max_rounds:
        raise ValueError(f"{part}: round {server_round}, this site allows {policy.max_rounds} (policy.max_rounds)")
    return server_round, _number(part, {"proximal-mu": 0.0, **config}, "proximal-mu", 0, _LARGEST)


def question_asked(federation: Federation, config: Mapping[str, Any]) -> tuple[Question, list[float]]:
    """What a request of the fusion phase asks, and the weight of each class.

    Raises:
        ValueError: a fold, a modality or a weight that this study does not have, or that makes no sense.
    """
    held_out = int(_number("fusion", config, "held-out", 0, federation.fusion.folds))
    shown = tuple(str(name) for name in config.get("shown", ()))
    if strange := sorted(set(shown) - set(federation.modalities)):
        raise ValueError(f"fusion: asked to show {listing(strange)}, which this study does not have")
    return Question(str(config["head"]), held_out, shown), class_numbers(federation, config, "class-weights")


def class_numbers(federation: Federation, config: Mapping[str, Any], key: str) -> list[float]:
    """One number a class, from 0 on.

    Raises:
        ValueError: they are not as many as the classes, or one makes no sense.
    """
    sent = list(config[key])
    if len(sent) != federation.n_classes:
        raise ValueError(f"{key}: {len(sent)} numbers for {federation.n_classes} classes")
    return [_number("study", {key: value}, key, 0, _LARGEST) for value in sent]


def temperature_asked(config: Mapping[str, Any]) -> float:
    """The temperature of the conformal phase.

    Raises:
        ValueError: it makes no sense.
    """
    return _number("study", config, "temperature", 1 / _LARGEST, _LARGEST)


def seconds_asked(config: Mapping[str, Any]) -> float:
    """For how long to go on with the site's own model at most.

    Raises:
        ValueError: it makes no sense.
    """
    return _number("study", config, "seconds", 0, _LARGEST)


def holders_asked(part: str, config: Mapping[str, Any]) -> int:
    """How many sites hold a modality, as the server says.

    Raises:
        ValueError: it makes no sense.
    """
    return int(_number(part, config, "holders", 0, _LARGEST))


def cases_asked(part: str, config: Mapping[str, Any]) -> int:
    """How many training cases all sites have of a modality, as the server says; 0 where it does not.

    Raises:
        ValueError: it makes no sense.
    """
    return int(_number(part, config, "cases", 0, _LARGEST)) if "cases" in config else 0


def _number(part: str, config: Mapping[str, Any], key: str, least: float | int, most: float | int) -> float:
    """A number of a message, within its bounds; NaN is within none."""
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{part}: {key} must be a number from {least:g} to {most:g}, got {value!r}")
    return float(value)
