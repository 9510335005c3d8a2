"""The recipe's ranges, and what its digest tells apart."""

import pytest

from modalities.slides.config import SlidesConfig


def test_every_value_out_of_range_is_said_at_once():
    with pytest.raises(ValueError, match=r"tile_um\n  Input should be greater than 0") as error:
        SlidesConfig(tile_um=0.0, n_tiles=-1, median_px=6, min_tissue=1.0, pen_hue=[120, 20], backbone="")
    for problem in ("n_tiles", "must be odd, got 6", "min_tissue", "must be two hues, the lower one first", "backbone"):
        assert problem in str(error.value)


def test_digest_is_of_the_recipe_and_the_weights():
    assert SlidesConfig().digest() == SlidesConfig().digest() == SlidesConfig(weights_digest="ab").digest()
    others = {SlidesConfig(n_tiles=49).digest(), SlidesConfig(seed=1).digest(), SlidesConfig().digest("weights")}
    assert len(others | {SlidesConfig().digest()}) == 4


def test_tile_has_half_a_micrometre_a_pixel():
    assert SlidesConfig().um_px == 0.5
