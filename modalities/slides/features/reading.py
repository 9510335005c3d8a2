"""Which layout a feature file has, told by what it holds, never by its name."""

from itertools import islice
from pathlib import Path

import h5py

from modalities.core.problems import Problem
from modalities.slides.bags import TileFeatures
from modalities.slides.features import clam, stamp, tensors, trident
from modalities.slides.features.arrays import FeatureFileError
from modalities.slides.features.stores import is_in_store, store_of

LAYOUTS = (
    "TRIDENT's or CLAM's .h5 (`features` and `coords`), STAMP's .h5 (`feats` and `coords`), LazySlide's .zarr, and .pt "
    "files of one tensor"
)
"""The layouts that are read, as errors name them."""
_REMEDY = f"extract the features again; known are {LAYOUTS}"
_NEITHER = "not a feature file that can be read (neither a file of HDF5 nor of torch)"
_NAMED = 10


def read_features(path: Path) -> TileFeatures:
    """The tile features of a file in any layout of `LAYOUTS`, or ours; a path may name a table in a store.

    Raises:
        FeatureFileError: the file is damaged, points at other files, holds no features, or features and coords do not
            fit together.
    """
    try:
        if is_in_store(path):
            from modalities.slides.features import lazyslide  # Parquet takes a while to import

            return lazyslide.read(path)
        if not h5py.is_hdf5(path):
            return _read_tensors(path)
        with h5py.File(path, "r") as file:
            return _read_hdf5(file, path)
    except FeatureFileError:
        raise
    except Exception as error:  # of any kind that a damaged or hostile file may cause in h5py and torch
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        what = f"not a feature file that can be read ({reason})"
        raise FeatureFileError(Problem(what, _REMEDY, file=store_of(path).name)) from error


def _read_tensors(path: Path) -> TileFeatures:
    if not tensors.is_of_torch(path):
        raise FeatureFileError(Problem(_NEITHER, _REMEDY, file=path.name))
    return tensors.read(path)


def _read_hdf5(file: h5py.File, path: Path) -> TileFeatures:
    names = {name for name in ("features", "feats") if file.get(name, getlink=True) is not None}
    if names == {"feats"}:
        return stamp.read(file, path)
    if not names:
        raise _unknown(file, path)
    has_places = isinstance(file.get("coords", getlink=True), h5py.HardLink)
    if has_places and "patch_level" in file["coords"].attrs:
        return clam.read(file, path)
    return trident.read(file, path)


def _unknown(file: h5py.File, path: Path) -> FeatureFileError:
    others = sorted(str(name) for name in islice(file, _NAMED))
    if others == ["coords"]:
        what = "holds coords, but no `features`: places of tiles only"
        return FeatureFileError(Problem(what, "name the folder of the features in site.yaml", file=path.name))
    what = f"holds {', '.join(others) or 'nothing'}, which is no layout of tile features"
    return FeatureFileError(Problem(what, _REMEDY, file=path.name))
