"""A tile as a network sees it. No torch here: tiles are fitted where they are read, by processes that need none."""

from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image


class Fit(NamedTuple):
    """Resized as timm's transforms do it, and cropped in the middle: for 224 pixels from 256, for 299 from 342."""

    resized_px: int
    pixels: int

    def __call__(self, tile: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "side side 3"]:
        """The square that the network sees, `pixels` a side."""
        if tile.shape[0] != self.resized_px:
            side = self.resized_px, self.resized_px
            tile = np.asarray(Image.fromarray(tile).resize(side, Image.Resampling.BICUBIC))
        edge = round((self.resized_px - self.pixels) / 2)
        return tile[edge : edge + self.pixels, edge : edge + self.pixels]
