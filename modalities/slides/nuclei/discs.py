"""Discs for morphology, and a quick way to dilate by large ones."""

from functools import cache

import cv2
import numpy as np
from jaxtyping import Int16, UInt8

Disc = UInt8[np.ndarray, "_ _"]


@cache
def disc(radius_px: float) -> Disc:
    """OpenCV's, of at least one pixel's radius."""
    side = 2 * max(1, round(radius_px)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)


def dilated(image: Int16[np.ndarray, "height width"], radius_px: float) -> Int16[np.ndarray, "height width"]:
    """The most within the disc around each pixel; within a few pixels of the border a little may be missed."""
    far, near = in_two(radius_px)
    return np.asarray(cv2.dilate(cv2.dilate(image, far), near), dtype=np.int16)


@cache
def in_two(radius_px: float) -> tuple[Disc, Disc]:
    """Two elements of few points; to dilate by one after the other is to dilate by the disc.

    OpenCV's time goes by points: 169 of a disc of 7 pixels, 30 and 13 of these. Where no diamond fits: the disc itself.
    """
    whole = disc(radius_px)
    for reach in range(len(whole) // 6, 0, -1):
        across = abs(np.arange(-reach, reach + 1))
        diamond = (across[:, None] + across <= reach).astype(np.uint8)
        centres = cv2.erode(whole, diamond, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        if np.array_equal(cv2.dilate(centres, diamond), whole):
            return _needed(centres, diamond, whole)[reach:-reach, reach:-reach].copy(), diamond
    return whole, np.ones((1, 1), np.uint8)


def _needed(centres: np.ndarray, element: np.ndarray, whole: Disc) -> np.ndarray:
    """As few of the centres, inner ones dropped first, as still cover the whole."""
    places = np.argwhere(centres)
    inner_first = np.argsort(((places - len(whole) // 2) ** 2).sum(axis=1), kind="stable")
    for row, column in places[inner_first]:
        centres[row, column] = 0
        if not np.array_equal(cv2.dilate(centres, element), whole):
            centres[row, column] = 1
    return centres
