"""Tile features on disk, in TRIDENT's HDF5 layout; `modalities.slides.features` reads them."""

import io
from pathlib import Path
from typing import Any

import h5py

from modalities.slides.bags import TileFeatures
from modalities.slides.features.arrays import ARRAYS
from modalities.slides.reading.files import write_whole

_CHUNK_ROWS = 1024


def write_features(path: Path, found: TileFeatures) -> None:
    """Write a whole file, or none.

    Raises:
        CannotWriteError: the disk is full, or the folder cannot be written.
    """
    content = io.BytesIO()  # small; and a disk that is full then says so to us, not to the HDF5 library
    with h5py.File(content, "w", track_order=True) as file:
        for name in ARRAYS:
            held = getattr(found, name)
            if held is not None:
                chunks = (min(_CHUNK_ROWS, max(1, len(held))), *held.shape[1:])
                file.create_dataset(name, data=held, chunks=chunks if held.size else None)
        if found.coords is not None:
            file["coords"].attrs.update(_cut(found))
        file["features"].attrs["names"] = list(found.names)
        if found.composition is not None:
            file["composition"].attrs["names"] = list(found.classes)
        file.attrs.update({"tessera_mpp": found.mpp, **found.about})
    write_whole(path, content.getvalue())


def _cut(found: TileFeatures) -> dict[str, Any]:
    """TRIDENT's attributes of `coords`: how the tiles were cut."""
    tile_px = int(found.about.get("tile_px", found.side0))
    width, height = found.size0
    return {
        "patch_size": tile_px,
        "patch_size_level0": found.side0,
        "level0_magnification": _magnification(found.mpp),
        "target_magnification": _magnification(found.mpp * found.side0 / tile_px) if tile_px else 0,
        "overlap": 0,
        "level0_width": width,
        "level0_height": height,
    }


def _magnification(mpp: float) -> int:
    return round(10 / mpp) if mpp else 0
