"""CLAM's HDF5 layout.

Source: CLAM's files. `features` [tile, feature] and `coords` [tile, 2] in pixels of level 0, with the attributes
`patch_level`, `patch_size` (at that level) and `downsample` (of that level). Nothing says how large a pixel is.
"""

from pathlib import Path

import h5py
import numpy as np

from modalities.slides.bags import TileFeatures
from modalities.slides.features.arrays import tiles_of
from modalities.slides.features.hdf5 import datasets_in


def read(file: h5py.File, path: Path) -> TileFeatures:
    """The tiles, and their side at level 0."""
    held = datasets_in(file, path, ("features", "coords"))
    cut = held["coords"].attrs
    side0 = round(float(cut.get("patch_size", 0)) * float(np.max(cut.get("downsample", 1.0))))
    return tiles_of(path, {name: dataset[()] for name, dataset in held.items()}, side0=side0)
