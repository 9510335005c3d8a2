"""Tile features that stay in the files where they lie, for cases that together are too many for memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from modalities.core.files.rows import Rows, rows_at_once
from modalities.core.problems import unusable
from modalities.slides.bags import SlideTiles, TileFile

IN_MEMORY_BYTES = 500_000_000
"""Features of a site's cases, in float32, up to which they are kept in memory."""
_NOISE = 0.01
"""Of a feature's standard deviation: what rounding to float16 may add to it."""


@dataclass(frozen=True)
class StoredTiles(Rows):
    """The tiles of a case, slide after slide, read from the slides' feature files whenever they are wanted."""

    files: tuple[TileFile, ...]
    n_tiles: int
    n_features: int
    is_half: bool
    """Whether they are rounded to float16: wherever they are read from, they are then the same."""

    @property
    def shape(self) -> tuple[int, int]:
        """Tiles and features."""
        return self.n_tiles, self.n_features

    @property
    def dtype(self) -> torch.dtype:
        """float16 or float32."""
        return torch.float16 if self.is_half else torch.float32

    def blocks(self) -> Iterator[torch.Tensor]:
        """All tiles in their order, some at a time; a slide's file is read as a whole.

        Raises:
            ValueError: a file is gone, or has other tiles than when the study first read it.
        """
        for file in self.files:
            for block in torch.from_numpy(_features(file, self.n_features)).split(rows_at_once(self.n_features)):
                yield block.to(self.dtype)


def bags_of(cases: Iterable[tuple[str, tuple[SlideTiles, ...]]]) -> dict[str, np.ndarray | StoredTiles]:
    """The features of each case: in memory, or, where those of all take more than IN_MEMORY_BYTES, where they lie.

    Tiles that come from no file of their own, such as a table's, stay in memory.

    Raises:
        ValueError: the slides of a case have features of different widths.
    """
    bags: dict[str, np.ndarray | StoredTiles] = {}
    lying: dict[str, tuple[TileFile, ...]] = {}
    n_bytes, in_memory = 0, True
    for case_id, slides in cases:
        features = np.concatenate([slide.tiles.features for slide in slides])
        files = tuple(slide.file for slide in slides if slide.file is not None)
        if len(files) == len(slides):
            lying[case_id] = files
        n_bytes += features.nbytes
        bags[case_id] = features
        if not in_memory:
            bags[case_id] = _stored(features, lying.get(case_id))
        elif n_bytes > IN_MEMORY_BYTES:
            in_memory = False
            bags = {known: _stored(bag, lying.get(known)) for known, bag in bags.items()}
    return bags


def _stored(bag: np.ndarray | StoredTiles, files: tuple[TileFile, ...] | None) -> np.ndarray | StoredTiles:
    if files is None or isinstance(bag, StoredTiles):
        return bag
    return StoredTiles(files, *bag.shape, is_half=_survives_half(bag))


def _survives_half(features: Float32[np.ndarray, "tile feature"]) -> bool:
    """Whether float16 holds every feature of the case all but as well as float32."""
    exact = torch.from_numpy(features)
    noise = (exact.half().float() - exact).square_().mean(dim=0)  # infinite where a value is too large
    return bool((noise <= _NOISE**2 * exact.var(dim=0, correction=0)).all())


def _features(file: TileFile, n_features: int) -> Float32[np.ndarray, "tile feature"]:
    from modalities.slides.features.reading import read_features  # needs the `slides` extra

    path = Path(file.path)
    if not path.exists():
        raise unusable("the feature file is gone since the study first read it", "put it back", file=path.name)
    features = read_features(path).features
    if features.shape != (file.n_tiles, n_features):
        raise unusable(
            f"{features.shape[0]} tiles of {features.shape[1]} features, where the study first read {file.n_tiles} of "
            f"{n_features}",
            "put the file of before back, or ask the coordinator for a new run",
            file=path.name,
        )
    return features if file.rows is None else features[file.rows]
