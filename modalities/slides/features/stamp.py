"""STAMP's HDF5 layout, of its versions 1 and 2.

Source: STAMP's files. `feats` [tile, feature], float16, and `coords` [tile, 2]. Version 2 gives the places in
micrometres (attribute `unit: um`) and the tiles' side in `tile_size_um` (2.0: `tile_size`) and in pixels of the
encoder's picture in `tile_size_px`. Version 1 says nothing of a unit: its tiles are 224 pixels for 256 micrometres, and
`augmented` marks the rows that are altered copies of others. No version gives pixels of the slide.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from modalities.slides.bags import NOMINAL_MPP, TileFeatures, side_of
from modalities.slides.features.arrays import refuse, size_of, tiles_of
from modalities.slides.features.hdf5 import datasets_in

_OLD_SIDE_PX, _OLD_SIDE_UM = 224, 256.0


def read(file: h5py.File, path: Path) -> TileFeatures:
    """The tiles; places that the file gives in micrometres become pixels of `NOMINAL_MPP`.

    Raises:
        FeatureFileError: it holds the embedding of a slide or of a patient.
    """
    kind = str(file.attrs.get("feat_type", "tile"))
    if kind != "tile":
        refuse(
            path,
            [f"holds the embedding of a {kind}, not tiles"],
            "name the folder of the tile features, or use a modality of kind `wsi_slide`",
        )
    held = {name: dataset[()] for name, dataset in datasets_in(file, path, ("feats", "coords")).items()}
    arrays, about = (
        {"features": held["feats"]},
        {"backbone": str(file.attrs["extractor"])} if "extractor" in file.attrs else {},
    )
    cut: dict[str, Any] = {"is_nominal": True, "about": about}
    if "coords" in held:
        arrays["coords"], lengths = _placed(held["coords"], file.attrs)
        cut |= lengths
    tiles = tiles_of(path, arrays, **cut)
    return tiles.select(~_augmented(file, path, len(tiles)))


def _placed(coords: np.ndarray, attributes: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """The places in whole pixels, and how long a pixel and a tile's side are; 0 where the file leaves that open."""
    side_um = attributes.get("tile_size_um", attributes.get("tile_size") if attributes.get("unit") == "um" else None)
    with np.errstate(invalid="ignore"):  # what is no place is refused with the other numbers
        between = side_of(coords) if coords.ndim == 2 and coords.shape[1] == 2 else 0.0
    side = float(attributes.get("tile_size", between) if side_um is None else side_um)
    if side_um is None and round(side) != _OLD_SIDE_PX:
        return np.rint(coords), {"side0": round(side)}
    um_each = _OLD_SIDE_UM / _OLD_SIDE_PX if side_um is None else 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        places = np.rint(coords.astype(np.float64) * (um_each / NOMINAL_MPP))
    return places, {"side0": round(side * um_each / NOMINAL_MPP), "mpp": NOMINAL_MPP}


def _augmented(file: h5py.File, path: Path, n_tiles: int) -> np.ndarray:
    """Which rows are altered copies of tiles."""
    held = datasets_in(file, path, ("augmented",), kinds="b")
    marked = held["augmented"][()] if held else np.zeros(n_tiles, dtype=bool)
    if marked.shape != (n_tiles,):
        refuse(path, [f"augmented has the shape {size_of(marked.shape)} for {n_tiles} tiles"])
    return marked
