"""Embeddings of whole slides: one vector a slide, as slide encoders (TITAN, PRISM, CHIEF, Madeleine, ...) give them.

Source: the tools' files. TRIDENT: HDF5, `features` [feature] beside the `coords` of the tiles that it is made of, in a
folder `slide_features_<encoder>`. STAMP: HDF5, `feats` [feature] or [1, feature], and the attributes `encoder` and
`feat_type` (slide or patient); its version 2.0 has one file for all slides, an array for each. LazySlide: `agg_slide`
of a table in the slide's store. `.pt`: the vector.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float32

from modalities.core.problems import Problem
from modalities.slides.features.arrays import FeatureFileError, refuse, size_of
from modalities.slides.features.hdf5 import datasets_in
from modalities.slides.features.stores import is_in_store, store_of
from modalities.slides.features.tensors import is_of_torch, tensors_in

LAYOUTS = (
    "TRIDENT's .h5 (`features`), STAMP's .h5 (`feats`, or an array a slide and the attribute `encoder`), .pt files of "
    "one vector, and LazySlide's .zarr (`agg_slide` of a table)"
)
"""The layouts that are read, as errors name them."""
_REMEDY = f"extract the embeddings again; known are {LAYOUTS}"
_OF_TILES = "name the folder of the slide embeddings, or use a modality of kind `wsi_image` for tiles"
_FOLDER = re.compile(r"slide_features_(.+)")
_MOST_BYTES_OF_PT = 1 << 20
"""A larger `.pt` file is no vector: it is not opened to find out."""


@dataclass(frozen=True)
class SlideEmbedding:
    """One slide, or one patient, as a vector."""

    slide: str
    """The name in a file of several, else that of the file without its ending."""
    values: Float32[np.ndarray, " feature"]
    encoder: str = ""
    """As the file says, or TRIDENT's folder; empty where neither does."""


def read_embeddings(path: Path) -> list[SlideEmbedding]:
    """The embedding in a file, or those in STAMP's file of all slides.

    Raises:
        FeatureFileError: the file is damaged, points at other files, or holds no embedding, tiles for instance.
    """
    try:
        if is_in_store(path):
            return [_in_store(path)]
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                return _in_hdf5(file, path)
        if is_of_torch(path):
            return [_embedding(path, path.stem, tensors_in(path, ("features",))["features"])]
    except FeatureFileError:
        raise
    except Exception as error:  # of any kind that a damaged or hostile file may cause in h5py and torch
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        problem = Problem(f"not a file of slide embeddings that can be read ({reason})", _REMEDY, file=path.name)
        raise FeatureFileError(problem) from error
    raise FeatureFileError(Problem("neither a file of HDF5 nor of torch", _REMEDY, file=path.name))


def holds_embeddings(path: Path) -> bool:
    """Whether a file is one of slide embeddings, told by the shapes in it; a damaged one is none."""
    if not path.is_file() or (path.stat().st_size > _MOST_BYTES_OF_PT and not h5py.is_hdf5(path)):
        return False
    try:
        return bool(read_embeddings(path))
    except FeatureFileError:
        return False


def _in_store(path: Path) -> SlideEmbedding:
    from modalities.slides.features.lazyslide import NAMED, slide_vectors  # Parquet takes a while to import

    store = store_of(path)
    vectors = slide_vectors(path)
    if not vectors:
        refuse(store, ["holds no embedding of the slide"], "make one with LazySlide's `feature_aggregation`")
    if len(vectors) > 1:
        refuse(store, [f"holds {len(vectors)} embeddings of the slide, one a table"], NAMED)
    return _embedding(store, store.stem, vectors[0])


def _in_hdf5(file: h5py.File, path: Path) -> list[SlideEmbedding]:
    held = datasets_in(file, path, ("features", "feats"))
    encoder = str(file.attrs.get("encoder", ""))
    if held:
        return [_embedding(path, path.stem, dataset, encoder) for dataset in list(held.values())[:1]]
    of_all = datasets_in(file, path, list(file)) if encoder else {}
    if not of_all:
        others = ", ".join(sorted(str(name) for name in file)[:10]) or "nothing"
        refuse(path, [f"holds {others}, which is no layout of slide embeddings"], _REMEDY)
    return [_embedding(path, name, array, encoder) for name, array in of_all.items()]


def _embedding(path: Path, slide: str, held: h5py.Dataset | np.ndarray, encoder: str = "") -> SlideEmbedding:
    shape = held.shape[1:] if held.ndim > 1 and held.shape[0] == 1 else held.shape
    if len(shape) > 1:
        refuse(path, [f"holds {size_of(held.shape)} numbers: a row a tile, not one vector of the slide"], _OF_TILES)
    if len(shape) != 1 or not shape[0]:
        refuse(path, [f"{slide} has the shape {size_of(held.shape)}"], _REMEDY)
    with np.errstate(over="ignore"):
        values = np.asarray(held[()]).reshape(-1).astype(np.float32)
    if not np.isfinite(values).all():
        refuse(path, [f"{slide}: not all are finite numbers"], _REMEDY)
    folder = _FOLDER.fullmatch(path.parent.name)
    return SlideEmbedding(slide, values, encoder or (folder[1] if folder else ""))
