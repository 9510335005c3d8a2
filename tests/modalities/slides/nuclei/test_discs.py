"""Dilation by a disc in two steps, beside OpenCV's in one."""

import cv2
import numpy as np
import pytest

from modalities.slides.nuclei.discs import dilated, disc, in_two


@pytest.mark.parametrize("radius", [1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 9.0, 14.0])
def test_dilating_in_two_steps_is_dilating_by_the_disc(radius):
    image = np.random.default_rng(int(radius)).integers(-3000, 19000, (83, 71)).astype(np.int16)
    inner = slice(4, -4), slice(4, -4)
    assert np.array_equal(dilated(image, radius)[inner], cv2.dilate(image, disc(radius))[inner])


def test_two_steps_take_few_points():
    far, near = in_two(7.0)
    assert int(disc(7.0).sum()) == 169
    assert far.sum() + near.sum() < 169 / 3


def test_disc_that_no_diamond_fits_into_stays_whole():
    far, near = in_two(4.0)
    assert np.array_equal(far, disc(4.0))
    assert near.tolist() == [[1]]
