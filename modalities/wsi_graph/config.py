"""Settings of the graph branch."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field

from modalities.core.fields import Positive, ShareBelowOne, Widths, settings
from modalities.core.settings.training import BranchConfig
from modalities.slides.config import PAPER, SlidesConfig

from .clustering import Clustering
from .network import Convolution, Readout


@settings
class Config(BranchConfig):
    """Section `modalities.wsi_graph` of federation.yaml."""

    slides: SlidesConfig = field(default_factory=lambda: SlidesConfig(n_tiles=0))
    """From slide to tiles and their nuclei; shared by all sites."""
    inputs: Literal["composition", "features", "both"] = "composition"
    """What a node is the mean of: the tiles' nuclear `composition`, the tiles' `features`, or `both`."""
    coordinates: bool = False
    """Whether a node also knows its place about the middle of its slide."""
    reference_mpp: Positive = 0.25
    """Micrometres of the pixels that lengths are given in, whatever a scanner's pixels are."""
    clustering: Clustering = field(default_factory=Clustering)
    """Which tiles make a node."""
    edge_px: Positive = 4000.0
    """Neighbours further apart than this are not joined."""
    convolution: Convolution = "pna"
    """pna (scaled by the in-degrees of all sites), or gin or sage, which take less time."""
    layers: Annotated[Widths, Field(min_length=1)] = field(default_factory=lambda: [16])
    """Widths of the convolutions."""
    dropout: ShareBelowOne = 0.2
    """After every convolution."""
    readout: Readout = "all"
    """`last` averages the last convolution over a case's nodes; `all` also what went into each, and the squares."""
    clip: Positive = 4.0
    """Scaled node features are cut to +-clip standard deviations."""

    def __post_init__(self) -> None:
        """Refuse nodes made of what is not counted."""
        if self.inputs != "features" and not self.slides.composition:
            raise ValueError(f"inputs: {self.inputs} needs slides.composition")


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Source: arXiv 2509.03408: all tiles of 512 pixels, SlideGraph+'s clusters, PNA. It names no weight decay; ours is
    # for each input of a layer, and would press three narrow layers flat.
    "paper": {
        "slides": {**PAPER, "n_tiles": 0},
        "inputs": "composition",
        "coordinates": True,
        "reference_mpp": 0.25,
        "clustering": {"spatial_threshold_px": 2000.0, "gamma": 0.001, "composition_gamma": 0.001, "cut": 0.8},
        "edge_px": 4000.0,
        "convolution": "pna",
        "layers": [32, 16, 8],
        "dropout": 0.2,
        "readout": "last",
        "training": {"lr": 1e-4, "weight_decay": 0.0, "schedule": "constant", "epochs": 60, "patience": 20},
        "federated": {"strategy": "fedavg", "optimiser": "adam", "lr": 1e-4, "batch_size": 32, "patience": 20},
    }
}
