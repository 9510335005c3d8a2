"""What stays known of a feature file once it was read, so that it is not read again to be counted."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modalities.slides.bags import TileFeatures
from modalities.slides.features.reading import read_features

_MOST = 65_536


@dataclass(frozen=True)
class Outline:
    """Of the tiles in a file, without them."""

    n_tiles: int
    mpp: float
    """Micrometres a pixel of level 0; 0 where the file does not say."""
    nuclei: float
    """Of a tile, in the mean; NaN where they were not counted."""


_known: OrderedDict[tuple[Path, int, int], Outline] = OrderedDict()


def tiles_in(path: Path) -> TileFeatures:
    """The tiles of a feature file, whose outline is known from then on.

    Raises:
        FeatureFileError: see `read_features`.
    """
    return _read(path)[0]


def outline_of(path: Path) -> Outline:
    """Of a feature file as it is now, which is read if this process has not done so yet.

    Raises:
        FeatureFileError: see `read_features`.
    """
    return _known.get(_key(path)) or _read(path)[1]


def _read(path: Path) -> tuple[TileFeatures, Outline]:
    key, tiles = _key(path), read_features(path)
    nuclei = np.nan if tiles.composition is None else float(tiles.composition.sum(axis=1).mean())
    outline = Outline(len(tiles), 0.0 if tiles.is_nominal else tiles.mpp, nuclei)
    if path.is_file():  # the folder of a store does not show that a file in it changed
        _known[key] = outline
    if len(_known) > _MOST:
        _known.popitem(last=False)
    return tiles, outline


def _key(path: Path) -> tuple[Path, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return path, -1, -1
    return path, stat.st_size, stat.st_mtime_ns
