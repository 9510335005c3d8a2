"""Copy-number variation by gene or by chromosome arm, from cBioPortal, Xena or the GDC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from modalities.cnv.arms import ARMS
from modalities.cnv.example import write_example
from modalities.cnv.reading import read
from modalities.core.blocks import tabular
from modalities.core.blocks.tabular import TabularConfig, build_encoder, collate, finalise
from modalities.core.contract import Cases, State, Sums
from modalities.core.settings.training import Federated, Training

__all__ = ["PRESETS", "Config", "build_encoder", "collate", "finalise", "prepare", "read", "sums", "write_example"]

VALUES = ("calls", "log2", "arms")


@dataclass(frozen=True)
class Config(TabularConfig):
    """Section `modalities.cnv` of federation.yaml; the default is linear with strong decay: see docs/results.md."""

    values: str = "calls"
    """`calls` (GISTIC, -2 to 2) or `log2` (log2 ratios) by gene, or `arms`: the mean of each of 39 chromosome arms."""
    arms_from: str = "log2"
    """What arms are the means of: `log2` (of segments where there are any) or `calls`; one for all sites."""
    coding: str = "indicators"
    """`number`: one input a gene; `indicators`: for calls, three inputs a gene: gained, lost, amplified."""
    training: Training = field(default_factory=lambda: Training(lr=3e-3, epochs=30, schedule="cosine", patience=0))
    federated: Federated = field(
        default_factory=lambda: Federated("fedadam", rounds=60, optimiser="sgd", lr=0.02, batch_size=0, patience=0)
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if self.values not in VALUES:
            raise ValueError(f"values must be one of {VALUES}, got {self.values!r}")
        if self.arms_from not in ("log2", "calls"):
            raise ValueError(f"arms_from must be 'log2' or 'calls', got {self.arms_from!r}")
        if self.coding not in ("number", "indicators"):
            raise ValueError(f"coding must be 'number' or 'indicators', got {self.coding!r}")
        if self.values == "arms" and not self.features:
            object.__setattr__(self, "features", list(ARMS))  # nothing that sites would have to agree on


def sums(cases: Cases, config: Config) -> Sums:
    """The statistics of the coded values."""
    return tabular.sums(coded(cases, config), config)


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
}
