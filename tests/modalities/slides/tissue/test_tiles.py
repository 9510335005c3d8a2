"""The grid and the choice of tiles."""

import numpy as np

from modalities.slides.config import SlidesConfig
from modalities.slides.tissue.tiles import Tiles, choose_tiles, side_at_level0, tissue_tiles

CONFIG = SlidesConfig()


def all_tissue(columns, rows, side0=37):
    column, row = np.meshgrid(np.arange(columns), np.arange(rows))
    coords = np.stack([column.ravel(), row.ravel()], axis=1).astype(np.int64) * side0
    return Tiles(coords, np.ones(len(coords), dtype=np.float32), side0)


def test_side_is_micrometres_by_resolution():
    assert side_at_level0(128.0, 0.25) == 512
    assert side_at_level0(128.0, 0.499) == 257


def test_tiles_with_more_than_a_twentieth_of_tissue_are_kept_and_lie_on_the_slide_as_a_whole():
    mask = np.zeros((20, 30), dtype=bool)
    mask[0:10, 0:1] = True  # the first tile: 10 of 100, the tile below it none
    mask[10:14, 10:11] = True  # 4 of 100: not more than 5 %
    mask[19, 25] = True
    found = tissue_tiles(mask, width=3050, height=2049, side0=1000, config=CONFIG)
    assert found.coords.tolist() == [[0, 0]]
    assert abs(float(found.tissue[0]) - 0.1) < 0.01


def test_slide_smaller_than_a_tile_has_none():
    assert len(tissue_tiles(np.ones((16, 16), dtype=bool), 16, 16, 257, CONFIG).tissue) == 0


def test_most_tissue_rich_tiles_are_taken_in_row_order():
    tiles = Tiles(np.arange(14).reshape(7, 2), np.array([0.2, 0.9, 0.1, 0.8, 0.95, 0.3, 0.7], dtype=np.float32), 1)
    assert choose_tiles(tiles, 3, seed=0).coords[:, 0].tolist() == [2, 6, 8]
    assert len(choose_tiles(tiles, 0, seed=0).tissue) == 7
    assert len(choose_tiles(tiles, 50, seed=0).tissue) == 7


def test_ties_at_a_tissue_of_one_are_spread_over_the_slide():
    tiles = all_tissue(113, 91)
    chosen = choose_tiles(tiles, 50, seed=3)
    assert len(np.unique(chosen.coords, axis=0)) == 50
    columns, rows = (chosen.coords // 37).T
    first_in_file_order = tiles.coords[:50, 1]
    assert len(np.unique(first_in_file_order)) == 1, "the first 50 lie in a single row"
    assert len(np.unique(rows)) > 25
    quarter = (columns >= 57).astype(int) + 2 * (rows >= 46)
    assert np.bincount(quarter, minlength=4).min() >= 8


def test_a_lower_tie_is_broken_only_for_the_places_that_are_left():
    tiles = all_tissue(10, 10)
    tissue = np.full(100, 0.5, dtype=np.float32)
    tissue[[3, 77]] = 0.75
    chosen = choose_tiles(Tiles(tiles.coords, tissue, 37), 12, seed=1)
    assert (chosen.tissue == 0.75).sum() == 2
    assert (chosen.tissue == 0.5).sum() == 10


def test_choice_is_the_seeds():
    tiles = all_tissue(60, 50)
    one, same, other = (choose_tiles(tiles, 20, seed).coords for seed in (5, 5, 6))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
