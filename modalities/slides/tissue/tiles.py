"""Which tiles of a slide: a grid in micrometres, the tissue-rich of it, and a spread choice of those."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from modalities.slides.config import SlidesConfig
from modalities.slides.tissue.tissue import tissue_fractions


@dataclass(frozen=True)
class Tiles:
    """Tiles of one slide, row by row."""

    coords: Int64[np.ndarray, "tile 2"]
    """x and y of the upper left corner, in pixels of level 0."""
    tissue: Float32[np.ndarray, " tile"]
    """Share of tissue, in [0, 1]."""
    side0: int
    """Side in pixels of level 0."""

    def select(self, rows: Int64[np.ndarray, " row"]) -> "Tiles":
        """Some of them."""
        return Tiles(self.coords[rows], self.tissue[rows], self.side0)


def side_at_level0(tile_um: float, mpp: float) -> int:
    """Side of a tile in whole pixels of level 0."""
    return max(1, round(tile_um / mpp))


def tissue_tiles(
    mask: Bool[np.ndarray, "height width"], width: int, height: int, side0: int, config: SlidesConfig
) -> Tiles:
    """The tiles of a slide of width x height level-0 pixels with more than `min_tissue` tissue.

    They do not overlap, and lie on the slide as a whole: a slide smaller than a tile has none.
    """
    columns, rows = width // side0, height // side0
    if not columns or not rows:
        return Tiles(np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.float32), side0)
    xs = np.arange(columns + 1) * side0 * (mask.shape[1] / width)
    ys = np.arange(rows + 1) * side0 * (mask.shape[0] / height)
    fractions = tissue_fractions(mask, xs, ys).round(4)  # so that what is equal but for rounding ties
    row, column = np.nonzero(fractions > config.min_tissue)
    coords = np.stack([column, row], axis=1).astype(np.int64) * side0
    return Tiles(coords, fractions[row, column].astype(np.float32), side0)


def choose_tiles(tiles: Tiles, n: int, seed: int) -> Tiles:
    """The n most tissue-rich tiles, row by row; 0 takes all."""
    return tiles.select(most_tissue(tiles.tissue, along_curve(tiles.coords // tiles.side0), n, seed))


def most_tissue(
    tissue: Float32[np.ndarray, " tile"], place: Int64[np.ndarray, " tile"], n: int, seed: int
) -> Int64[np.ndarray, " chosen"]:
    """Ascending rows of the n tiles with most tissue; 0 takes all.

    Of those that tie for the last places, every k-th along `place` is taken, from a seeded start: thousands of tiles
    are tissue all over, and the first 50 in file order lie in a few neighbouring rows.
    """
    if n == 0 or n >= len(tissue):
        return np.arange(len(tissue))
    last = np.sort(tissue)[-n]
    richer, tied = np.flatnonzero(tissue > last), np.flatnonzero(tissue == last)
    wanted = n - len(richer)
    start = np.random.default_rng(seed).random()
    steps = ((np.arange(wanted) + start) * len(tied) / wanted).astype(np.int64)
    return np.sort(np.concatenate([richer, tied[np.argsort(place[tied], kind="stable")][steps]]))


def along_curve(cells: Int64[np.ndarray, "tile 2"]) -> Int64[np.ndarray, " tile"]:
    """Place of grid cells along a curve through all of the plane on which neighbours stay near: bits interleaved.

    Source: Morton 1966. Every k-th along such a curve is a spatially balanced sample (Stevens and Olsen 2004).
    """
    place = np.zeros(len(cells), dtype=np.int64)
    for bit in range(24):
        place |= ((cells[:, 0] >> bit) & 1) << (2 * bit)
        place |= ((cells[:, 1] >> bit) & 1) << (2 * bit + 1)
    return place
