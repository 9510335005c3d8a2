"""Copy-number variation by gene or by chromosome arm, from cBioPortal, Xena or the GDC."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

import numpy as np
import torch

from modalities.cnv.arms import ARMS
from modalities.cnv.example import write_example
from modalities.cnv.files import recognised
from modalities.cnv.plausible import plausibility
from modalities.cnv.reading import read
from modalities.core.blocks import tabular
from modalities.core.blocks.tabular import TabularConfig, build_encoder, collate, finalise
from modalities.core.contract import Cases, State, Sums
from modalities.core.fields import settings
from modalities.core.problems import unusable
from modalities.core.settings.private import PRIVATE_TRAINING
from modalities.core.settings.training import Federated

__all__ = [
    "PRESETS",
    "Config",
    "build_encoder",
    "collate",
    "finalise",
    "plausibility",
    "prepare",
    "public_state",
    "read",
    "recognised",
    "sums",
    "write_example",
]

_SPREADS: Mapping[str, float] = {"log2": float(np.log2(1.25)), "calls": 0.5}
"""Of an arm's mean, whatever the cases: one copy gained in every second cell (2.5 copies for 2), or a call of an arm in
every second gene. A unit that tumours reach, and nothing that was measured in any."""
_OF_ARMS: Mapping[str, Any] = {"training": {"lr": 0.02}, "federated": {"server_lr": 0.1}}
"""Of 39 inputs each weight must go further than of 4,000 that move together: with shorter steps both ways of training
stop short of the optimum, each elsewhere (docs/decisions/0019)."""


@settings
class Config(TabularConfig):
    """Section `modalities.cnv` of federation.yaml; the default is linear with strong decay: see docs/results.md."""

    values: Literal["calls", "log2", "arms"] = "calls"
    """`calls` (GISTIC, -2 to 2) or `log2` (log2 ratios) by gene, or `arms`: the mean of each of 39 chromosome arms,
    whose defaults are `training.lr: 0.02` and `federated.server_lr: 0.1`."""
    arms_from: Literal["log2", "calls"] = "log2"
    """What arms are the means of: `log2` (of segments where there are any) or `calls`; one for all sites."""
    coding: Literal["number", "indicators"] = "indicators"
    """`number`: one input a gene; `indicators`: for calls, three inputs a gene: gained, lost, amplified."""
    federated: Federated = field(default_factory=lambda: Federated(server_lr=0.01))

    @staticmethod
    def defaults(section: Mapping[str, Any]) -> Mapping[str, Any]:
        """Longer steps for arms."""
        return _OF_ARMS if section.get("values") == "arms" else {}

    def __post_init__(self) -> None:
        """Fill in the arms: nothing that sites would have to agree on."""
        if self.values == "arms" and not self.features:
            object.__setattr__(self, "features", list(ARMS))


def sums(cases: Cases, config: Config) -> Sums:
    """The statistics of the coded values."""
    return tabular.sums(coded(cases, config), config)


def public_state(config: Config) -> State:
    """No change in the middle, and the spread of `_SPREADS`; by arm only, since noise drowns thousands of genes.

    Raises:
        ValueError: the settings ask for genes.
    """
    if config.values != "arms":
        remedy = "set `values: arms`, or take `preset: private`"
        raise unusable(f"{config.values} by gene: too many inputs for noise to spare", remedy)
    n_arms = len(config.features)
    return tabular.public_scale(np.zeros(n_arms), np.full(n_arms, _SPREADS[config.arms_from]))


def prepare(cases: Cases, state: State, config: Config) -> torch.Tensor:
    """The coded values, scaled."""
    return tabular.prepare(coded(cases, config), state, config)


def coded(cases: Cases, config: Config) -> Cases:
    """Calls as indicators where the settings say so: a deep loss is no more than a loss, an amplification is."""
    if config.coding == "number" or config.values != "calls":
        return cases
    calls = np.asarray(cases.values)
    indicators = [calls >= 1, calls <= -1, calls >= 2]
    values = np.concatenate([np.where(np.isnan(calls), np.nan, known) for known in indicators], axis=1)
    features = [f"{gene} {what}" for what in ("gained", "lost", "amplified") for gene in cases.features]
    return Cases(cases.case_ids, values.astype(np.float32), tuple(features), cases.notes)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Source: arXiv 2509.03408 (self-normalising network on all genes); rates are not reported there.
    "paper": {
        "hidden": [8192, 2048],
        "coding": "number",
        "dropout": 0.2,
        "training": {"lr": 1e-4, "weight_decay": 1e-6},
        "federated": {"strategy": "fedavg", "lr": 1e-4},
    },
    "private": {"values": "arms", **PRIVATE_TRAINING},
}
