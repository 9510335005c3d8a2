"""Which pixels of a tile are a nucleus, and of which: a threshold above the surroundings, then touching ones parted.

Whole numbers of 16 bits wherever they do: OpenCV takes half the time for them, or less.
"""

import math
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Int16, Int64, UInt8

from modalities.slides.nuclei.discs import dilated, disc
from modalities.slides.tissue.colour import UNIT
from modalities.slides.tissue.quality import variance

_FLOOR = 0.15
_SPREADS, _CONTRAST, _HEIGHT, _AROUND_UM = 0.4, (0.05, 0.2), 0.4, 16.0
_LEAST_DEPTH_UM, _APART_UM = 0.6, 3.5
_DEPTH_UNIT = 512  # to a micrometre

Haematoxylin = Int16[np.ndarray, "height width"]
Stained = UInt8[np.ndarray, "height width"]


class Outlines(NamedTuple):
    """Every stained pixel of a tile, row by row."""

    x: Int64[np.ndarray, " pixel"]
    y: Int64[np.ndarray, " pixel"]
    nucleus: Int64[np.ndarray, " pixel"]
    """A number from 0 on."""


def outlines(haematoxylin: Haematoxylin, um_px: float) -> Outlines:
    """The pixels of each nucleus: those of a blob go to the nearest seed, whatever blob that lies in."""
    stained = _stained(haematoxylin, um_px)
    seeds = _seeds(stained, um_px)
    _, blobs = cv2.connectedComponents(stained, connectivity=4, ltype=cv2.CV_32S)
    pixels = np.flatnonzero(stained.view(bool))
    y = pixels // stained.shape[1]
    x = pixels - y * stained.shape[1]
    part = blobs.take(pixels).astype(np.int64)
    if len(seeds):
        part = part * (len(seeds) + 1) + _nearest(seeds, x, y, stained.shape, um_px)
    number = np.cumsum(np.bincount(part) > 0) - 1
    return Outlines(x, y, number.take(part))


def _stained(haematoxylin: Haematoxylin, um_px: float) -> Stained:
    smooth = _blurred(haematoxylin, 0.5 / um_px)
    around = np.asarray(cv2.blur(smooth, (2 * round(_AROUND_UM / um_px) + 1,) * 2), dtype=np.int16)
    contrast = min(max(_SPREADS * variance(smooth) ** 0.5, _CONTRAST[0] * UNIT), _CONTRAST[1] * UNIT)
    # a nucleus ends at a share of the height of the darkest nearby
    least = np.asarray(cv2.addWeighted(dilated(smooth, 3.0 / um_px), _HEIGHT, around, 1 - _HEIGHT, 0), dtype=np.int16)
    np.maximum(least, around + np.int16(contrast), out=least)
    stained = (smooth > np.maximum(least, np.int16(_FLOOR * UNIT))).view(np.uint8)
    return np.asarray(cv2.morphologyEx(stained, cv2.MORPH_OPEN, disc(0.5 / um_px)), dtype=np.uint8)


def _seeds(stained: Stained, um_px: float) -> Int64[np.ndarray, " seed"]:
    """Places of the peaks of the distance to the edge; a flat peak is several pixels side by side."""
    depth = np.asarray(cv2.distanceTransform(stained, cv2.DIST_L2, 5), dtype=np.float32)
    depth = _blurred((depth * np.float32(_DEPTH_UNIT * um_px)).astype(np.int16), 1.0 / um_px)
    peaks = (depth >= dilated(depth, _APART_UM / um_px)) & (depth > np.int16(_LEAST_DEPTH_UM * _DEPTH_UNIT))
    return np.flatnonzero(peaks & stained.view(bool))


def _nearest(
    seeds: Int64[np.ndarray, " seed"],
    x: Int64[np.ndarray, " pixel"],
    y: Int64[np.ndarray, " pixel"],
    shape: tuple[int, int],
    um_px: float,
) -> Int64[np.ndarray, " pixel"]:
    """The number of the seed that each pixel is nearest to.

    Cells of some pixels are told their nearest seed; where neighbours were told another, each pixel looks for itself.
    Seeds in neighbouring cells are one: two peaks are farther apart.
    """
    seed_y, seed_x = np.divmod(seeds, shape[1])
    side = _cell_px(um_px)
    free = np.ones((shape[0] // side + 3, shape[1] // side + 3), np.uint8)
    width = free.shape[1]
    in_cell = (seed_y // side + 1) * width + seed_x // side + 1
    free.ravel()[in_cell] = 0
    _, told = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5)
    cell = (y // side + 1) * width + x // side + 1
    nearest = told.take(cell).astype(np.int64)
    border = cv2.morphologyEx(told.astype(np.float32), cv2.MORPH_GRADIENT, disc(1.0)) > 0
    unsure = np.flatnonzero(border.take(cell))
    rival = told.take(cell[unsure] + np.array([[0], [-width], [-1], [1], [width]])).astype(np.int64)
    number = told.take(in_cell).astype(np.int64)
    at_x, at_y = np.zeros((2, len(seeds) + 1), np.int64)
    at_x[number], at_y[number] = seed_x, seed_y
    distance = (at_x.take(rival) - x[unsure]) ** 2 + (at_y.take(rival) - y[unsure]) ** 2
    nearest[unsure] = (distance * (len(seeds) + 1) + rival).min(axis=0) % (len(seeds) + 1)
    return nearest


@cache
def _cell_px(um_px: float) -> int:
    """So small that any two pixels of neighbouring cells lie within one disc around a peak."""
    diagonal = int(np.trace(disc(_APART_UM / um_px)))
    return max(1, (diagonal + 1) // 4)


def _blurred(image: Int16[np.ndarray, "height width"], sigma_px: float) -> Int16[np.ndarray, "height width"]:
    sigma = max(0.3, sigma_px)
    return np.asarray(cv2.GaussianBlur(image, (2 * math.ceil(3 * sigma) + 1,) * 2, sigma), dtype=np.int16)
