"""What every backbone offers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

if TYPE_CHECKING:
    from modalities.slides.nuclei.nuclei import Nuclei


@runtime_checkable
class Backbone(Protocol):
    """Tiles -> features."""

    name: str
    names: tuple[str, ...]
    """Of the features; empty where they have none."""
    digest: str
    """SHA-256 of the weights; empty where there are none."""
    licence: str
    """Of the weights, as shown to who prepares slides."""
    uses_nuclei: bool
    """Whether `encode` wants the tiles' nuclei."""

    def encode(
        self, tiles: Sequence[UInt8[np.ndarray, "height width 3"]], nuclei: "Sequence[Nuclei]"
    ) -> Float32[np.ndarray, "tile feature"]:
        """A row a tile, the same whatever other tiles it comes with."""
        ...
