"""The settings of the clinical modality."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modalities.clinical.dictionary import BY_NAME, INPUTS, inputs_of
from modalities.core.blocks.tabular import TabularConfig
from modalities.core.files.delimited import listing
from modalities.core.problems import check
from modalities.core.settings.training import Federated, Training


@dataclass(frozen=True)
class Config(TabularConfig):
    """Section `modalities.clinical` of federation.yaml."""

    inputs: str = "ihc"
    """`ihc`, or `no_ihc`: without the receptors, whose status is most of what a clinical record says of the subtype."""
    exclude: list[str] = field(default_factory=list)
    """Fields of the dictionary that are no inputs: those that state the label of this task."""
    hidden: list[int] = field(default_factory=lambda: [32])
    """Widths of the hidden SELU layers."""
    dropout: float = 0.1
    """Alpha-dropout after every hidden layer, in [0, 1)."""
    input_dropout: float = 0.3
    """Share of the features zeroed at every training step, in [0, 1): a site may lack any field."""
    training: Training = field(default_factory=lambda: Training(lr=3e-3, epochs=40, schedule="cosine", patience=0))
    federated: Federated = field(
        default_factory=lambda: Federated(
            "fedadam", rounds=80, optimiser="sgd", lr=0.1, batch_size=0, server_lr=0.02, patience=0
        )
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        unknown = [name for name in self.exclude if name not in BY_NAME]
        check(
            [f"inputs must be one of {INPUTS}, got {self.inputs!r}"] * (self.inputs not in INPUTS)
            + [f"exclude: no field {listing(unknown)}; the dictionary has {', '.join(BY_NAME)}"] * bool(unknown)
        )

    @property
    def known_features(self) -> Sequence[str]:
        """The columns: fixed by the dictionary, whatever a site's files hold."""
        return self.features or features_of(self.inputs, self.exclude)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "ihc": {"inputs": "ihc"},
    "no_ihc": {"inputs": "no_ihc"},
    # Source: arXiv 2509.03408: an MLP on the clinical table, receptors included; its widths and rates are not reported.
    "paper": {
        "inputs": "ihc",
        "hidden": [64, 32],
        "dropout": 0.2,
        "input_dropout": 0.0,
        "training": {"lr": 1e-3, "weight_decay": 1e-5},
        "federated": {"strategy": "fedavg", "lr": 1e-3},
    },
}


def features_of(inputs: str, exclude: Collection[str] = ()) -> tuple[str, ...]:
    """The columns that sites agree on, in their order: fixed by the dictionary, not by a site's files."""
    return tuple(name for field in inputs_of(inputs, exclude) for name in field.features)
