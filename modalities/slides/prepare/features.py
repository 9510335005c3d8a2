"""Tile features on disk, in TRIDENT's HDF5 layout; what TRIDENT and CLAM wrote is read as it is.

Source: the files of both tools. TRIDENT: `features` [tile, feature], or with a leading 1, and `coords` [tile, 2] in
pixels of level 0, whose attributes say how the tiles were cut. CLAM: the same two, attributes `patch_level`,
`patch_size`, `downsample`; and `.pt` files of the features alone.
"""

import io
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from modalities.slides.bags import TileFeatures
from modalities.slides.reading.files import write_whole

_CHUNK_ROWS = 1024
_ARRAYS = {"features": np.float32, "coords": np.int64, "tissue": np.float32, "composition": np.float32}
_LOCAL = ("savetodir", "save_path")  # attributes that hold a path of the site


def write_features(path: Path, found: TileFeatures) -> None:
    """Write a whole file, or none.

    Raises:
        CannotWriteError: the disk is full, or the folder cannot be written.
    """
    content = io.BytesIO()  # small; and a disk that is full then says so to us, not to the HDF5 library
    with h5py.File(content, "w", track_order=True) as file:
        for name in _ARRAYS:
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


def read_features(path: Path) -> TileFeatures:
    """The tile features of a file of ours, of TRIDENT's or of CLAM's.

    Raises:
        ValueError: the file is damaged, holds no features, or features and coords do not fit together.
    """
    try:
        return _read_pt(path) if path.suffix == ".pt" else _read_h5(path)
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{path.name}: not a feature file that can be read ({str(error).splitlines()[0]}); extract it again"
        ) from error


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


def _read_h5(path: Path) -> TileFeatures:
    with h5py.File(path, "r") as file:
        held: dict[str, Any] = {str(name): file[str(name)] for name in file}
        if "features" not in held:
            raise ValueError(
                f"{path.name}: holds {', '.join(held) or 'nothing'}, but no `features`: places of tiles only; "
                "name the folder of the features in site.yaml"
            )
        arrays = {name: _rows(held[name][()]) if name in held else None for name in _ARRAYS}
        cut = dict(held["coords"].attrs) if "coords" in held else {}
        return _fitting(
            path,
            arrays,
            side0=_side0(cut),
            mpp=_mpp(file.attrs, cut),
            names=_names(held["features"]),
            classes=_names(held["composition"]) if "composition" in held else (),
            size0=(int(cut.get("level0_width", 0)), int(cut.get("level0_height", 0))),
            about={key: value for key, value in file.attrs.items() if isinstance(value, str) and key not in _LOCAL},
        )


def _read_pt(path: Path) -> TileFeatures:
    """A tensor, or a dictionary with one named `features`; nothing else is ever unpacked."""
    found = torch.load(path, map_location="cpu", weights_only=True)
    held = found if isinstance(found, dict) else {"features": found}
    if not isinstance(held["features"], torch.Tensor):
        raise ValueError(f"{path.name}: holds no tensor of features; extract the features again")
    return _fitting(path, {name: _rows(np.asarray(held[name])) for name in ("features", "coords") if name in held})


def _fitting(path: Path, arrays: Mapping[str, np.ndarray | None], **about: Any) -> TileFeatures:
    """The tiles, if every array has a finite row for each."""
    n_tiles = len(arrays["features"]) if arrays["features"] is not None else 0
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    problems = [f"{name} has {n} rows for {n_tiles} tiles" for name, n in lengths.items() if n != n_tiles]
    problems += ["it has no tile"] * (not n_tiles)
    infinite = [name for name, array in arrays.items() if array is not None and not np.isfinite(array).all()]
    problems += [f"{name} are not all finite numbers" for name in infinite]
    if problems:
        raise ValueError(f"{path.name}: {'; '.join(problems)}; extract the features again")
    typed = {name: array.astype(_ARRAYS[name]) if array is not None else None for name, array in arrays.items()}
    return TileFeatures(**{"coords": None, **typed}, **about)


def _rows(values: np.ndarray) -> np.ndarray:
    """Without the leading 1 of some versions."""
    return values[0] if values.ndim == 3 and len(values) == 1 else values


def _names(dataset: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in dataset.attrs.get("names", ()))


def _side0(cut: Mapping[str, Any]) -> int:
    """TRIDENT says it; CLAM gives the side at a level and that level's downsample."""
    if "patch_size_level0" in cut:
        return int(cut["patch_size_level0"])
    return round(float(cut.get("patch_size", 0)) * float(np.max(cut.get("downsample", 1.0))))


def _mpp(attributes: Mapping[str, Any], cut: Mapping[str, Any]) -> float:
    mpp = float(attributes.get("tessera_mpp", 0.0))
    magnification = float(cut.get("level0_magnification", 0) or 0)
    mpp = mpp or (10 / magnification if magnification else 0.0)
    return mpp if math.isfinite(mpp) else 0.0
