"""Settings of the image branch."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictInt

from modalities.core.fields import Positive, ShareBelowOne, Widths, settings
from modalities.core.settings.training import BranchConfig
from modalities.slides.config import PAPER, SlidesConfig

from .poolings import POOLINGS


def _known(pooling: str) -> str:
    if pooling not in POOLINGS:
        raise ValueError(f"must be one of {', '.join(POOLINGS)}, got {pooling!r}")
    return pooling


@settings
class Config(BranchConfig):
    """Section `modalities.wsi_image` of federation.yaml."""

    slides: SlidesConfig = field(default_factory=SlidesConfig)
    """From slide to tile features; shared by all sites."""
    pooling: Annotated[str, AfterValidator(_known)] = "feature_mean"
    """What makes one prediction of many tiles: a file of modalities/wsi_image/poolings
    (docs/modalities/wsi_image.md)."""
    hidden: Widths = field(default_factory=list)
    """Widths of the hidden SELU layers over a tile; none makes the branch linear, which n < 1000 cases often favour."""
    dropout: ShareBelowOne = 0.0
    """Alpha-dropout after every hidden layer."""
    input_dropout: ShareBelowOne = 0.0
    """Share of the features zeroed at every training step."""
    attention_width: Annotated[StrictInt, Field(ge=1, le=65_536)] = 32
    """Width of what compares tiles, for the poolings attention and dsmil."""
    clip: Positive = 4.0
    """Scaled features are cut to +-clip standard deviations."""


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
