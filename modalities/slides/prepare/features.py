"""Tile features on disk, in TRIDENT's HDF5 layout; what TRIDENT and CLAM wrote is read as it is.

Source: the files of both tools. TRIDENT: `features` [tile, feature], or with a leading 1, and `coords` [tile, 2] in
pixels of level 0, whose attributes say how the tiles were cut. CLAM: the same two, attributes `patch_level`,
`patch_size`, `downsample`; and `.pt` files of the features alone.
"""

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from modalities.core.problems import Problem
from modalities.slides.bags import TileFeatures
from modalities.slides.prepare.arrays import FeatureFileError, datasets_in, shape_problems, tensors_in
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
        ValueError: the file is damaged, points at other files, holds no features, or features and coords do not fit
            together.
    """
    try:
        return _read_pt(path) if path.suffix == ".pt" else _read_h5(path)
    except FeatureFileError:
        raise
    except Exception as error:  # of any kind that a damaged or hostile file may cause in h5py and torch
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        what = f"not a feature file that can be read ({reason})"
        raise FeatureFileError(Problem(what, "extract it again", file=path.name)) from error


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
        held = datasets_in(file, path, _ARRAYS)
        cut: dict[str, Any] = dict(held["coords"].attrs) if "coords" in held else {}
        return _fitting(
            path,
            {name: dataset[()] for name, dataset in held.items()},
            side0=_side0(cut),
            mpp=_mpp(file.attrs, cut),
            names=_names(held["features"]),
            classes=_names(held["composition"]) if "composition" in held else (),
            size0=(int(cut.get("level0_width", 0)), int(cut.get("level0_height", 0))),
            about={key: value for key, value in file.attrs.items() if isinstance(value, str) and key not in _LOCAL},
        )


def _read_pt(path: Path) -> TileFeatures:
    return _fitting(path, tensors_in(path, ("features", "coords")))


def _fitting(path: Path, held: Mapping[str, np.ndarray], **about: Any) -> TileFeatures:
    """The tiles, if every array has a finite row for each."""
    with np.errstate(over="ignore", invalid="ignore"):  # what is no finite number of that type is refused below
        arrays = {name: _rows(array).astype(_ARRAYS[name]) for name, array in held.items()}
    problems = shape_problems(arrays)
    if not problems:
        n_tiles = len(arrays["features"])
        lengths = {name: len(array) for name, array in arrays.items()}
        problems = [f"{name} has {n} rows for {n_tiles} tiles" for name, n in lengths.items() if n != n_tiles]
        problems += ["it has no tile"] * (not n_tiles)
        infinite = [name for name, array in arrays.items() if not np.isfinite(array).all()]
        problems += [f"{name} are not all finite numbers" for name in infinite]
    if problems:
        raise FeatureFileError(Problem("; ".join(problems), "extract the features again", file=path.name))
    return TileFeatures(**{"coords": None, **arrays}, **about)


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
