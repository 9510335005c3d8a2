"""The tissue mask: the paper's recipe, and what would fool it."""

import time

import cv2
import numpy as np
import pytest
from scipy.ndimage import median_filter

from modalities.slides.config import PAPER, SlidesConfig
from modalities.slides.tissue.quality import problem_of_overview
from modalities.slides.tissue.tissue import tissue_fractions, tissue_mask
from tests.slides import glass, with_tissue

CONFIG = SlidesConfig()


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def test_default_and_paper_preset_are_the_papers_numbers():
    assert PAPER == {"tile_um": 128.0, "n_tiles": 50, "saturation": 20, "median_px": 7, "min_tissue": 0.05}
    for name, value in PAPER.items():
        assert getattr(CONFIG, name) == value


def test_mask_is_the_median_of_the_saturation_above_the_threshold_whoever_computes_it():
    thumbnail = with_tissue(glass(211, 307), 40, 60, 90, 150)
    colours = thumbnail.astype(np.float64)
    brightest, darkest = colours.max(axis=2), colours.min(axis=2)
    saturation = np.rint(255 * (brightest - darkest) / brightest)  # HSV by its definition, without OpenCV
    recipe = median_filter(saturation, size=7, mode="nearest") > 20
    assert recipe.sum() > 10_000
    assert overlap(tissue_mask(thumbnail, CONFIG)[0], recipe) >= 0.999


def test_blank_slide_has_no_tissue_and_is_left_out_as_blank():
    mask, pen = tissue_mask(glass(400, 600), CONFIG)
    assert mask.sum() == 0
    assert str(problem_of_overview(mask, pen, 0, CONFIG)) == "blank: no tissue found"


def test_black_band_is_no_tissue_though_its_noise_is_saturated():
    thumbnail = glass(400, 600)
    rng = np.random.default_rng(0)
    thumbnail[:80] = rng.integers(0, 30, (80, 600, 3))
    saturation = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2HSV)[..., 1]
    assert (cv2.medianBlur(saturation, 7) > 20)[:70].all(), "the plain recipe keeps the band whole"
    assert tissue_mask(thumbnail, CONFIG)[0].sum() == 0


@pytest.mark.parametrize("ink", [(20, 60, 180), (10, 120, 60), (40, 160, 200)], ids=["blue", "green", "cyan"])
def test_pen_is_no_tissue_and_tissue_beside_it_stays(ink):
    thumbnail = with_tissue(glass(400, 600), 100, 100, 200, 200)
    alone, _ = tissue_mask(thumbnail, CONFIG)
    thumbnail[50:350, 400:430] = ink
    mask, pen = tissue_mask(thumbnail, CONFIG)
    assert pen[55:345, 402:428].all()
    assert overlap(mask, alone) > 0.99
    assert problem_of_overview(mask, pen, 9, CONFIG) is None


def test_slide_that_is_mostly_ink_is_left_out_for_it():
    thumbnail = glass(400, 600)
    thumbnail[50:350, 100:400] = (20, 60, 180)
    mask, pen = tissue_mask(thumbnail, CONFIG)
    assert str(problem_of_overview(mask, pen, 0, CONFIG)).startswith("pen: ink covers ")


def test_fractions_are_exact_for_lines_between_pixels():
    mask = np.zeros((3, 5), dtype=bool)
    mask[:2, 1:4] = True
    xs, ys = np.array([0.0, 1.5, 4.0]), np.array([0.0, 2.5])
    found = tissue_fractions(mask, xs, ys)
    # half a column of two rows in the first cell, two and a half columns in the second
    assert found == pytest.approx(np.array([[0.5 * 2 / (1.5 * 2.5), 2.5 * 2 / (2.5 * 2.5)]]))


def test_mask_of_a_thumbnail_takes_well_below_a_tenth_of_a_second():
    thumbnail = with_tissue(glass(1000, 800), 100, 100, 700, 500)
    spent = []
    for _ in range(5):
        began = time.thread_time()
        tissue_mask(thumbnail, CONFIG)
        spent.append(time.thread_time() - began)
    assert min(spent) < 0.1
