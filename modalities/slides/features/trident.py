"""TRIDENT's HDF5 layout, and ours, which is TRIDENT's with more arrays.

Source: TRIDENT's files. `features` [tile, feature], or with a leading 1, and `coords` [tile, 2] in pixels of level 0,
whose attributes say how the tiles were cut.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from modalities.slides.bags import TileFeatures
from modalities.slides.features.arrays import ARRAYS, tiles_of
from modalities.slides.features.hdf5 import datasets_in

_LOCAL = ("savetodir", "save_path")  # attributes that hold a path of the site


def read(file: h5py.File, path: Path) -> TileFeatures:
    """The tiles, and how they were cut as far as the file says."""
    held = datasets_in(file, path, ARRAYS)
    cut: dict[str, Any] = dict(held["coords"].attrs) if "coords" in held else {}
    return tiles_of(
        path,
        {name: dataset[()] for name, dataset in held.items()},
        side0=int(cut.get("patch_size_level0", 0)),
        mpp=_mpp(file.attrs, cut),
        names=_names(held["features"]),
        classes=_names(held["composition"]) if "composition" in held else (),
        size0=(int(cut.get("level0_width", 0)), int(cut.get("level0_height", 0))),
        about={key: value for key, value in file.attrs.items() if isinstance(value, str) and key not in _LOCAL},
    )


def _names(dataset: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in dataset.attrs.get("names", ()))


def _mpp(attributes: Mapping[str, Any], cut: Mapping[str, Any]) -> float:
    """Ours says it; TRIDENT gives the magnification, of which 10 is a micrometre a pixel."""
    mpp = float(attributes.get("tessera_mpp", 0.0))
    magnification = float(cut.get("level0_magnification", 0) or 0)
    mpp = mpp or (10 / magnification if magnification else 0.0)
    return mpp if math.isfinite(mpp) else 0.0
