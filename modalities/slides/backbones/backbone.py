"""What every backbone offers."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

if TYPE_CHECKING:
    from modalities.slides.backbones.fitting import Fit
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


@runtime_checkable
class Lane(Protocol):
    """Room for one batch of fitted tiles, and the way of that batch through the network."""

    pixels: UInt8[np.ndarray, "tile side side 3"]
    """To be filled from the first row on, and left alone while `features` runs."""

    def features(self, n_tiles: int) -> Float32[np.ndarray, "tile feature"]:
        """Of the first `n_tiles`. Lanes work beside each other, each in a thread."""
        ...


@runtime_checkable
class Network(Backbone, Protocol):
    """A backbone with weights: it encodes in batches on a device, in one process for all that read tiles."""

    fit: "Fit"
    on_cpu: bool
    n_threads: int
    """Lanes that a CPU is used with where nobody says how many."""

    def lane(self, n_tiles: int) -> Lane:
        """A new lane for batches of at most `n_tiles`."""
        ...

    def at_work(self) -> AbstractContextManager[None]:
        """While lanes are used; its end makes those that still run give up."""
        ...
