"""How a study of strategies runs one of them: in which regime, and over which three values it is tuned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STEP: Mapping[str, Any] = {"optimiser": "sgd", "batch_size": 0, "local_epochs": 1, "schedule": "constant"}
"""One gradient step on all cases of a site: the mean over sites is the pooled gradient step."""
LOCAL: Mapping[str, Any] = {"optimiser": "adam", "batch_size": 32, "local_epochs": 2, "schedule": "constant"}
"""Two local epochs of Adam in batches of 32; its `lr` is best tuned over tenfolds, as Adam wants less the more inputs
a linear branch has."""


@dataclass(frozen=True)
class Recipe:
    """A strategy's settings, and the one setting that is tuned."""

    settings: Mapping[str, Any]
    tuned: str
    values: tuple[float, ...]
    of_default: bool = False
    """Whether the values multiply the modality's own default."""
