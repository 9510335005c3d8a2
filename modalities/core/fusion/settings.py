"""Settings of the fusion head: which one, and how it is fitted."""

from dataclasses import dataclass, field
from typing import Any

from modalities.core.problems import check

FITS = ("crossfit", "tune", "none")
AUTO = "auto"


@dataclass(frozen=True)
class Network:
    """A fusion head that is a network (intermediate, transformer), and how Adam fits it."""

    width: int = 64
    """Of a token, or of the hidden layer."""
    layers: int = 2
    """Of the transformer."""
    attention_heads: int = 4
    """Of the transformer; the width is a multiple of it."""
    rounds: int = 60
    """Most rounds of a fit: each is one step on the gradient summed over the sites."""
    lr: float = 3e-3
    """Adam's step size."""
    patience: int = 15
    """A fit ends once the loss on its held-out fold has not fallen for so many rounds; 0: never."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        whole = {"width": self.width, "layers": self.layers, "attention_heads": self.attention_heads}
        check(
            [
                f"{name} must be at least 1, got {value}"
                for name, value in {**whole, "rounds": self.rounds}.items()
                if value < 1
            ]
            + [f"width must be a multiple of attention_heads, got {self.width} and {self.attention_heads}"]
            * (self.attention_heads > 0 and self.width % self.attention_heads > 0)
            + [f"lr must be positive, got {self.lr}"] * (self.lr <= 0)
            + [f"patience must be at least 0, got {self.patience}"] * (self.patience < 0)
        )


@dataclass(frozen=True)
class Fusion:
    """How the branches' outputs become one prediction."""

    head: str = "weighted_logits_bias"
    """A file of modalities/core/fusion (docs/fusion.md), or `auto`: the candidate of least out-of-fold loss."""
    candidates: list[str] = field(
        default_factory=lambda: ["mean", "mean_logits", "weighted_logits", "weighted_logits_bias", "residual", "gated"]
    )
    """What `auto` chooses from; none that Adam fits, which would take hundreds of rounds."""
    preset: str = ""
    """`paper`: the unshrunk heads of arXiv 2509.03408, and its transformer of 6 layers, 512 wide, 8 heads."""
    fit: str = "crossfit"
    """`crossfit`: the head learns from out-of-fold outputs; `tune`: from a held-out part; `none`: no held-out cases."""
    folds: int = 3
    """Folds a site for `crossfit`."""
    held_out: float = 0.15
    """Share of the training cases that `tune` holds out, in (0, 0.5]."""
    modality_dropout: float = 0.3
    """Chance that a modality is hidden while the head is fitted, in [0, 1); taken in expectation, not at random."""
    weight_penalty: float = 10.0
    """Ridge on the head's departure from equal weights."""
    bias_penalty: float = 0.1
    """Ridge on the head's bias."""
    class_weight_exponent: float = 0.5
    """A case of class c weighs (N / n_c) to this power in the head's loss; 0 weighs all alike."""
    rounds: int = 30
    """Rounds after which an L-BFGS fit ends, with the line search under way: each evaluates the summed gradient."""
    network: Network = field(default_factory=Network)
    """Of the heads that Adam fits."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check(
            [f"fit must be one of {FITS}, got {self.fit!r}"] * (self.fit not in FITS)
            + [f"folds must be at least 2, got {self.folds}"] * (self.folds < 2)
            + [f"held_out must be in (0, 0.5], got {self.held_out}"] * (not 0 < self.held_out <= 0.5)
            + [f"modality_dropout must be in [0, 1), got {self.modality_dropout}"]
            * (not 0 <= self.modality_dropout < 1)
            + [f"penalties must be positive, got {self.weight_penalty}, {self.bias_penalty}"]
            * (min(self.weight_penalty, self.bias_penalty) <= 0)
            + [f"class_weight_exponent must be in [0, 1], got {self.class_weight_exponent}"]
            * (not 0 <= self.class_weight_exponent <= 1)
            + [f"rounds must be at least 1, got {self.rounds}"] * (self.rounds < 1)
        )


FUSION_PRESETS: dict[str, dict[str, Any]] = {
    "": {},
    "paper": {
        "weight_penalty": 1e-6,
        "bias_penalty": 1e-6,
        "class_weight_exponent": 0.0,
        "network": {"width": 512, "layers": 6, "attention_heads": 8},
    },
}
