"""Settings of the fusion head: which one, and how it is fitted."""

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt

from modalities.core.fields import Count, Positive, Share, ShareBelowOne, Whole, settings

AUTO = "auto"


@settings
class Network:
    """A fusion head that is a network (intermediate, transformer), and how Adam fits it."""

    width: Annotated[StrictInt, Field(ge=1, le=8192)] = 64
    """Of a token, or of the hidden layer."""
    layers: Annotated[StrictInt, Field(ge=1, le=64)] = 2
    """Of the transformer."""
    attention_heads: Annotated[StrictInt, Field(ge=1, le=64)] = 4
    """Of the transformer; the width is a multiple of it."""
    rounds: Count = 60
    """Most rounds of a fit: each is one step on the gradient summed over the sites."""
    lr: Positive = 3e-3
    """Adam's step size."""
    patience: Whole = 15
    """A fit ends once the loss on its held-out fold has not fallen for so many rounds; 0: never."""

    def __post_init__(self) -> None:
        """Refuse a width that the attention heads cannot share."""
        if self.width % self.attention_heads:
            raise ValueError(
                f"width must be a multiple of attention_heads, got {self.width} and {self.attention_heads}"
            )


@settings
class Fusion:
    """How the branches' outputs become one prediction."""

    head: str = "weighted_logits_bias"
    """A file of modalities/core/fusion/heads (docs/fusion.md), or `auto`: the candidate of least out-of-fold loss."""
    candidates: list[str] = field(
        default_factory=lambda: ["mean", "mean_logits", "weighted_logits", "weighted_logits_bias", "residual", "gated"]
    )
    """What `auto` chooses from; none that Adam fits, which would take hundreds of rounds."""
    preset: str = ""
    """`paper`: the unshrunk heads of arXiv 2509.03408, and its transformer of 6 layers, 512 wide, 8 heads;
    `private`: the mean of the branches, which no case teaches."""
    fit: Literal["crossfit", "tune", "none"] = "crossfit"
    """`crossfit`: the head learns from out-of-fold outputs; `tune`: from a held-out part; `none`: no held-out cases."""
    folds: Annotated[StrictInt, Field(ge=2, le=50)] = 3
    """Folds a site for `crossfit`."""
    held_out: Annotated[StrictFloat, Field(gt=0, le=0.5)] = 0.15
    """Share of the training cases that `tune` holds out."""
    modality_dropout: ShareBelowOne = 0.3
    """Chance that a modality is hidden while the head is fitted; taken in expectation, not at random."""
    weight_penalty: Positive = 10.0
    """Ridge on the head's departure from equal weights."""
    bias_penalty: Positive = 0.1
    """Ridge on the head's bias."""
    class_weight_exponent: Share = 0.5
    """A case of class c weighs (N / n_c) to this power in the head's loss; 0 weighs all alike."""
    rounds: Count = 30
    """Rounds after which an L-BFGS fit ends, with the line search under way: each evaluates the summed gradient."""
    network: Network = field(default_factory=Network)
    """Of the heads that Adam fits."""


FUSION_PRESETS: dict[str, dict[str, Any]] = {
    "": {},
    "paper": {
        "weight_penalty": 1e-6,
        "bias_penalty": 1e-6,
        "class_weight_exponent": 0.0,
        "network": {"width": 512, "layers": 6, "attention_heads": 8},
    },
    "private": {"head": "mean", "fit": "none"},
}
