"""Settings of the graph branch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modalities.core.problems import check
from modalities.core.settings.training import BranchConfig, Federated, Training
from modalities.slides.config import PAPER, SlidesConfig

from .clustering import Clustering
from .network import CONVOLUTIONS, READOUTS

INPUTS = ("composition", "features", "both")


@dataclass(frozen=True)
class Config(BranchConfig):
    """Section `modalities.wsi_graph` of federation.yaml."""

    slides: SlidesConfig = field(default_factory=lambda: SlidesConfig(n_tiles=0))
    """From slide to tiles and their nuclei; shared by all sites."""
    inputs: str = "composition"
    """What a node is the mean of: the tiles' nuclear `composition`, the tiles' `features`, or `both`."""
    coordinates: bool = False
    """Whether a node also knows its place about the middle of its slide."""
    reference_mpp: float = 0.25
    """Micrometres of the pixels that lengths are given in, whatever a scanner's pixels are."""
    clustering: Clustering = field(default_factory=Clustering)
    """Which tiles make a node."""
    edge_px: float = 4000.0
    """Neighbours further apart than this are not joined."""
    convolution: str = "pna"
    """pna (scaled by the in-degrees of all sites), or gin or sage, which take less time."""
    layers: list[int] = field(default_factory=lambda: [16])
    """Widths of the convolutions."""
    dropout: float = 0.2
    """After every convolution, in [0, 1)."""
    readout: str = "all"
    """`last` averages the last convolution over a case's nodes; `all` also what went into each, and the squares."""
    clip: float = 4.0
    """Scaled node features are cut to +-clip standard deviations."""
    training: Training = field(default_factory=lambda: Training(lr=3e-3, epochs=30, schedule="cosine", patience=0))
    federated: Federated = field(
        default_factory=lambda: Federated(
            "fedadam", rounds=60, optimiser="sgd", lr=0.02, batch_size=0, server_lr=0.02, patience=0
        )
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(
            [f"inputs must be one of {INPUTS}, got {self.inputs!r}"] * (self.inputs not in INPUTS)
            + [f"reference_mpp must be positive, got {self.reference_mpp}"] * (not self.reference_mpp > 0)
            + [f"edge_px must be positive, got {self.edge_px}"] * (not self.edge_px > 0)
            + [f"convolution must be one of {CONVOLUTIONS}, got {self.convolution!r}"]
            * (self.convolution not in CONVOLUTIONS)
            + [f"layers must be positive widths, at least one, got {list(self.layers)}"]
            * (not self.layers or min(self.layers) < 1)
            + [f"dropout must be in [0, 1), got {self.dropout}"] * (not 0 <= self.dropout < 1)
            + [f"readout must be one of {READOUTS}, got {self.readout!r}"] * (self.readout not in READOUTS)
            + [f"clip must be positive, got {self.clip}"] * (not self.clip > 0)
            + ["inputs: composition needs slides.composition"]
            * (self.inputs != "features" and not self.slides.composition)
        )


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
