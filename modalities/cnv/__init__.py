"""Copy-number variation by gene: cBioPortal matrices of GISTIC calls or of log2 ratios."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modalities.cnv.cbioportal import read
from modalities.cnv.example import write_example
from modalities.core.config import Federated, Training
from modalities.core.tabular import TabularConfig, build_encoder, collate, finalise, prepare, sums

__all__ = ["PRESETS", "Config", "build_encoder", "collate", "finalise", "prepare", "read", "sums", "write_example"]


@dataclass(frozen=True)
class Config(TabularConfig):
    """Section `modalities.cnv` of federation.yaml; the default is linear with strong decay: see docs/results.md."""

    values: str = "calls"
    """`calls` (GISTIC, -2 to 2, data_cna.txt) or `log2` (log2 ratios, data_log2_cna.txt)."""
    training: Training = field(
        default_factory=lambda: Training(lr=3e-3, weight_decay=0.6, epochs=60, schedule="cosine", patience=0)
    )
    federated: Federated = field(
        default_factory=lambda: Federated(strategy="fedadam", lr=3e-3, rounds=80, server_lr=0.01)
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if self.values not in ("calls", "log2"):
            raise ValueError(f"values must be 'calls' or 'log2', got {self.values!r}")


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Source: arXiv 2509.03408 (self-normalising network on all genes); rates are not reported there.
    "paper": {
        "hidden": [8192, 2048],
        "dropout": 0.2,
        "training": {"lr": 1e-4, "weight_decay": 1e-2},
        "federated": {"strategy": "fedavg", "lr": 1e-4},
    },
}
