"""The HDF5 layout of features of tiles that CLAM cut.

Source: CLAM's files, and TRIDENT's of CLAM's tiles. `features` [tile, feature] and `coords` [tile, 2] in pixels of
level 0. `coords` of TRIDENT's bear what CLAM's file of tiles says: `patch_level`, `patch_size` (at that level) and
`downsample` (of that level); CLAM itself writes features without any of it. Nothing says how large a pixel is.
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
