"""A small picture of a slide: where the mask sees tissue, and which tiles were chosen."""

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from modalities.slides.tissue.tiles import Tiles

_LONGEST_PX = 480
_OUTLINE, _TILE = (30, 140, 30), (200, 60, 20)  # blue, green, red, as OpenCV writes: green outline, blue tiles


def overview(
    thumbnail: UInt8[np.ndarray, "height width 3"],
    mask: Bool[np.ndarray, "height width"],
    chosen: Tiles,
    width0: int,
) -> bytes:
    """JPEG of the thumbnail with the mask's outline and a box for each tile; `width0` is the slide's at level 0."""
    scale = min(1.0, _LONGEST_PX / max(mask.shape))
    size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
    picture = cv2.resize(cv2.cvtColor(thumbnail, cv2.COLOR_RGB2BGR), size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(small, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(picture, contours, -1, _OUTLINE, 1)
    to_picture = size[0] / width0
    for x, y in chosen.coords:
        corner, opposite = (
            (int(x * to_picture), int(y * to_picture)),
            (int((x + chosen.side0) * to_picture), int((y + chosen.side0) * to_picture)),
        )
        cv2.rectangle(picture, corner, opposite, _TILE, 1)
    written, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    if not written:
        raise ValueError("the overview cannot be written as JPEG")
    return encoded.tobytes()
