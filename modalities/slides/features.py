"""Tile features on disk, in TRIDENT's HDF5 layout; what TRIDENT and CLAM wrote is read as it is.

Source: the files of both tools. TRIDENT: `features` [tile, feature], or with a leading 1, and `coords` [tile, 2] in
pixels of level 0, whose attributes say how the tiles were cut. CLAM: the same two, attributes `patch_level`,
`patch_size`, `downsample`; and `.pt` files of the features alone.
"""

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import torch
from jaxtyping import Float32, Int64

from modalities.slides.files import write_whole

SUFFIXES = (".h5", ".hdf5", ".pt")
"""File name endings that are taken for tile features."""
_CHUNK_ROWS = 1024


@dataclass(frozen=True)
class TileFeatures:
    """The tiles of one slide as features."""

    features: Float32[np.ndarray, "tile feature"]
    coords: Int64[np.ndarray, "tile 2"] | None
    """x and y of the upper left corner in pixels of level 0; None for a CLAM .pt file without its .h5."""
    side0: int = 0
    """Side of a tile in pixels of level 0; 0 where the file does not say."""
    mpp: float = 0.0
    """Micrometres a pixel of level 0; 0 where the file does not say."""
    names: tuple[str, ...] = ()
    """Of the features; empty for a backbone whose features have none."""
    tissue: Float32[np.ndarray, " tile"] | None = None
    """Share of tissue of each tile."""
    composition: Float32[np.ndarray, "tile class"] | None = None
    """Nuclei of each class in each tile."""
    classes: tuple[str, ...] = ()
    """Names of the nuclear classes."""
    size0: tuple[int, int] = (0, 0)
    """Width and height of level 0; 0 where the file does not say."""
    about: dict[str, str] = field(default_factory=dict)
    """What else is known of how they were made."""

    def select(self, rows: np.ndarray) -> "TileFeatures":
        """Some of the tiles."""
        kept = {
            name: None if (held := getattr(self, name)) is None else held[rows]
            for name in ("features", "coords", "tissue", "composition")
        }
        return replace(self, **kept)
