"""The settings of the clinical modality."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from modalities.clinical.dictionary import BY_NAME, inputs_of
from modalities.core.blocks.tabular import TabularConfig
from modalities.core.fields import ShareBelowOne, Widths, settings
from modalities.core.files.tables.delimited import listing
from modalities.core.settings.private import PRIVATE_TRAINING
from modalities.core.settings.training import Federated, Training


def _of_dictionary(fields: list[str]) -> list[str]:
    """Fields to exclude, all of which there are."""
    if unknown := [name for name in fields if name not in BY_NAME]:
        raise ValueError(f"no field {listing(unknown)}; the dictionary has {', '.join(BY_NAME)}")
    return fields


@settings
class Config(TabularConfig):
    """Section `modalities.clinical` of federation.yaml."""

    inputs: Literal["ihc", "no_ihc"] = "ihc"
    """`ihc`, or `no_ihc`: without the receptors, whose status is most of what a clinical record says of the subtype."""
    exclude: Annotated[list[str], AfterValidator(_of_dictionary)] = field(default_factory=list)
    """Fields of the dictionary that are no inputs: those that state the label of this task."""
    hidden: Widths = field(default_factory=lambda: [32])
    """Widths of the hidden SELU layers."""
    dropout: ShareBelowOne = 0.1
    """Alpha-dropout after every hidden layer."""
    input_dropout: ShareBelowOne = 0.3
    """Share of the features zeroed at every training step: a site may lack any field."""
    training: Training = field(default_factory=lambda: Training(epochs=40))
    federated: Federated = field(default_factory=lambda: Federated(rounds=80, lr=0.1))

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
    "private": {"hidden": [], "dropout": 0.0, "input_dropout": 0.0, **PRIVATE_TRAINING},
}


def features_of(inputs: str, exclude: Collection[str] = ()) -> tuple[str, ...]:
    """The columns that sites agree on, in their order: fixed by the dictionary, not by a site's files."""
    return tuple(name for field in inputs_of(inputs, exclude) for name in field.features)
