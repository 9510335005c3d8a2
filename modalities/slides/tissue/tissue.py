"""Where tissue is: the paper's recipe on a thumbnail, with what would fool it taken out first.

Source: arXiv 2509.03408: HSV saturation, median blur of 7, threshold 20 of 255.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8

from modalities.slides.config import SlidesConfig


def tissue_mask(
    thumbnail: UInt8[np.ndarray, "height width 3"], config: SlidesConfig
) -> tuple[Bool[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]:
    """Tissue, and pen ink, which is no tissue.

    The threshold is absolute, so that a blank slide has none. Black bands count as unsaturated: what colour they have
    is the compression's noise.
    """
    hue, saturation, value = cv2.split(cv2.cvtColor(thumbnail, cv2.COLOR_RGB2HSV))
    low, high = config.pen_hue
    pen = (hue >= low) & (hue <= high) & (saturation >= config.pen_saturation) & (value >= config.dark)
    saturation[(value < config.dark) | pen] = 0
    return cv2.medianBlur(saturation, config.median_px) > config.saturation, pen


def tissue_fractions(
    mask: Bool[np.ndarray, "height width"],
    xs: Float64[np.ndarray, " column"],
    ys: Float64[np.ndarray, " row"],
) -> Float64[np.ndarray, "row-1 column-1"]:
    """Share of tissue in each cell of a grid whose lines lie at xs and ys, in pixels of the mask.

    Exact for lines between pixels too: the integral image is linear there.
    """
    integral = np.asarray(cv2.integral(mask.astype(np.uint8)), dtype=np.float64)
    at_rows = _between(integral, ys)
    corners = _between(at_rows.T, xs).T
    area = np.outer(np.diff(ys), np.diff(xs))
    return np.diff(np.diff(corners, axis=0), axis=1) / area


def _between(lines: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The rows of `lines` at fractional places."""
    below = np.minimum(places.astype(np.int64), len(lines) - 2)
    share = (places - below)[:, None]
    return lines[below] * (1 - share) + lines[below + 1] * share
