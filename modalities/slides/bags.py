"""The tiles of a slide as features: what the modalities get."""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32, Int64

NOMINAL_MPP = 0.01
"""Micrometres of the pixels that places known in micrometres are given in; so small that rounding costs nothing."""


@dataclass(frozen=True)
class TileFeatures:
    """The tiles of one slide as features."""

    features: Float32[np.ndarray, "tile feature"]
    coords: Int64[np.ndarray, "tile 2"] | None
    """x and y of the upper left corner in pixels of level 0; None where the file has no places, as CLAM's .pt."""
    side0: int = 0
    """Side of a tile in pixels of level 0; 0 where the file does not say."""
    mpp: float = 0.0
    """Micrometres a pixel of level 0; 0 where the file does not say."""
    names: tuple[str, ...] = ()
    """Of the features; empty for a backbone whose features have none."""
    tissue: Float32[np.ndarray, " tile"] | None = None
    """Share of tissue of each tile."""
    composition: Float32[np.ndarray, "tile class"] | None = None
    """Nuclei of each class in each tile."""
    classes: tuple[str, ...] = ()
    """Names of the nuclear classes."""
    size0: tuple[int, int] = (0, 0)
    """Width and height of level 0; 0 where the file does not say."""
    about: dict[str, str] = field(default_factory=dict)
    """What else is known of how they were made."""
    is_nominal: bool = False
    """Whether `coords`, `side0` and `mpp` are of made-up pixels, since the file does not tell the slide's own."""

    def __len__(self) -> int:
        return len(self.features)

    def select(self, rows: np.ndarray | slice) -> "TileFeatures":
        """Some of the tiles."""
        kept = {
            name: None if (held := getattr(self, name)) is None else held[rows]
            for name in ("features", "coords", "tissue", "composition")
        }
        return replace(self, **kept)

    def at_level0(self, mpp: float, default_mpp: float) -> "TileFeatures":
        """With the size of a pixel that slides.csv gives, else the file, else `default_mpp`; 0: not said.

        Places that were given in micrometres are then those of the slide's own pixels.
        """
        said = mpp or (0.0 if self.is_nominal else self.mpp) or default_mpp
        if not self.is_nominal:
            return replace(self, mpp=said)
        if not said or not self.mpp or self.coords is None:  # of places in no unit that is known, nothing is made
            return self
        scale = self.mpp / said
        coords = np.rint(self.coords * scale).astype(np.int64)
        return replace(self, coords=coords, side0=round(self.side0 * scale), mpp=said, is_nominal=False)


def side_of(coords: np.ndarray) -> float:
    """What lies most often between a tile and the next of its row or column: the side of tiles that do not overlap.

    0 where no tile has a neighbour. Pieces of tissue may have grids of their own, as CLAM cuts them: columns that are
    near each other need not be neighbours.
    """
    steps = []
    for along, across in (coords.T, coords.T[::-1]):
        order = np.lexsort((along, across))
        steps.append(np.diff(along[order])[np.diff(across[order]) == 0])
    found, times = np.unique(np.concatenate(steps), return_counts=True)
    found, times = found[found > 0], times[found > 0]
    return float(found[np.argmax(times)]) if len(found) else 0.0


@dataclass(frozen=True)
class TileFile:
    """Where the features of a slide's tiles lie."""

    path: str
    n_tiles: int
    """Tiles in the file."""
    rows: Int64[np.ndarray, " tile"] | None = None
    """Those of them that are the slide's here; None: all."""


@dataclass(frozen=True)
class SlideTiles:
    """One slide of a case. The slide's name stays at the site."""

    case_id: str
    slide: str
    """File name without its ending."""
    tiles: TileFeatures
    file: TileFile | None = None
    """The feature file that they were read from; None for those that a table of nuclei alone gives."""

    def select(self, rows: Int64[np.ndarray, " tile"]) -> "SlideTiles":
        """Some of the tiles, of a slide that has all those of its file."""
        file = None if self.file is None else replace(self.file, rows=rows)
        return replace(self, tiles=self.tiles.select(rows), file=file)
