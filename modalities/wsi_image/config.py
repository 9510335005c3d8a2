"""Settings of the image branch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modalities.core.problems import check
from modalities.core.settings.training import BranchConfig, Federated, Training
from modalities.slides.config import PAPER, SlidesConfig

from .network import POOLINGS


@dataclass(frozen=True)
class Config(BranchConfig):
    """Section `modalities.wsi_image` of federation.yaml."""

    slides: SlidesConfig = field(default_factory=SlidesConfig)
    """From slide to tile features; shared by all sites."""
    pooling: str = "feature_mean"
    """What makes one prediction of many tiles: feature_mean, mean_logits, mean_probabilities, majority, attention."""
    hidden: list[int] = field(default_factory=list)
    """Widths of the hidden SELU layers over a tile; none makes the branch linear, which n < 1000 cases often favour."""
    dropout: float = 0.0
    """Alpha-dropout after every hidden layer, in [0, 1)."""
    input_dropout: float = 0.0
    """Share of the features zeroed at every training step, in [0, 1)."""
    attention_width: int = 32
    """Width of the gated attention; for pooling: attention."""
    clip: float = 4.0
    """Scaled features are cut to +-clip standard deviations."""
    training: Training = field(default_factory=lambda: Training(lr=3e-3, epochs=30, schedule="cosine", patience=0))
    federated: Federated = field(
        default_factory=lambda: Federated(
            "fedadam", rounds=60, optimiser="sgd", lr=0.02, batch_size=0, server_lr=0.02, patience=0
        )
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(
            [f"pooling must be one of {POOLINGS}, got {self.pooling!r}"] * (self.pooling not in POOLINGS)
            + [f"hidden widths must be positive, got {list(self.hidden)}"] * any(width < 1 for width in self.hidden)
            + [f"dropout must be in [0, 1), got {self.dropout}"] * (not 0 <= self.dropout < 1)
            + [f"input_dropout must be in [0, 1), got {self.input_dropout}"] * (not 0 <= self.input_dropout < 1)
            + [f"attention_width must be at least 1, got {self.attention_width}"] * (self.attention_width < 1)
            + [f"clip must be positive, got {self.clip}"] * (not self.clip > 0)
        )


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # 50 tissue-rich tiles, InceptionV3, each tile learning its patient's label, majority vote.
    # Source: arXiv 2509.03408; it names no learning rate.
    "paper": {
        "slides": {**PAPER, "backbone": "inception_v3", "tile_px": 342, "composition": False},
        "pooling": "majority",
        "training": {"lr": 1e-3, "weight_decay": 0.0, "schedule": "constant", "epochs": 60, "patience": 20},
        "federated": {"strategy": "fedavg", "optimiser": "adam", "lr": 1e-3, "batch_size": 32, "patience": 20},
    }
}
