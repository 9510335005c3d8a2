"""Which slides are of no use, and why."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from modalities.slides.config import SlidesConfig

_BLANK = 1e-4


class Unfit(NamedTuple):
    """Why a slide is of no use."""

    cause: str
    """A word or two, the same for every such slide: slides are counted by it."""
    detail: str
    """With this slide's values."""

    def __str__(self) -> str:
        """Both."""
        return f"{self.cause}: {self.detail}"


def problem_of_overview(
    mask: Bool[np.ndarray, "height width"], pen: Bool[np.ndarray, "height width"], n_tiles: int, config: SlidesConfig
) -> Unfit | None:
    """Why a slide is left out by its thumbnail, or nothing."""
    ink, tissue = int(pen.sum()), int(mask.sum())
    if ink > config.max_pen * (ink + tissue) and ink > _BLANK * mask.size:
        share = f"{ink / (ink + tissue):.0%} of the stained area"
        return Unfit("pen", f"ink covers {share} (most allowed: {config.max_pen:.0%})")
    if tissue <= _BLANK * mask.size:
        return Unfit("blank", "no tissue found")
    if n_tiles < config.min_tiles:
        few = f"{n_tiles} tiles of {config.tile_um:g} micrometres (fewest: {config.min_tiles})"
        return Unfit("too little tissue", few)
    return None


def problem_of_enlargement(mpp: float, config: SlidesConfig) -> Unfit | None:
    """Why a slide is left out by its resolution, or nothing."""
    enlargement = mpp / config.um_px
    if enlargement <= config.max_enlargement:
        return None
    return Unfit(
        "resolution too low",
        f"{mpp:.3g} micrometres a pixel, and tiles want {config.um_px:.3g} "
        f"(enlarged {enlargement:.1f} times; most allowed: {config.max_enlargement:g})",
    )


def problem_of_focus(sharpness_of_tiles: Sequence[float], mpp: float, config: SlidesConfig) -> Unfit | None:
    """Why a slide is left out by its tiles, or nothing; enlarged tiles cannot be as sharp as others."""
    found = float(np.median(sharpness_of_tiles))
    least = config.min_sharpness / max(1.0, mpp / config.um_px) ** 4
    if found >= least:
        return None
    return Unfit("out of focus", f"sharpness {found:.3f} (least allowed: {least:.3f})")


def sharpness(tile: UInt8[np.ndarray, "height width 3"]) -> float:
    """How much of a tile's contrast lies in its finest detail: variance of the Laplacian by that of the grey values.

    Relative, so that a pale stain is not taken for a blurred one.  0 is a plain surface.
    """
    grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY)
    contrast = variance(grey)
    return variance(cv2.Laplacian(grey, cv2.CV_16S)) / contrast if contrast > 1.0 else 0.0


def variance(image: cv2.typing.MatLike) -> float:
    """Of an image of whole numbers, for which OpenCV's sums are exact and ten times as quick as numpy's."""
    return max(0.0, cv2.norm(image, cv2.NORM_L2SQR) / image.size - cv2.mean(image)[0] ** 2)
