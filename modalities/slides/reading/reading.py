"""Reads any slide that OpenSlide knows: pixels on the background's colour, and how many micrometres a pixel is.

Only the scan itself is read. Label and macro images are never touched: names stand on them.
"""

from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
import openslide
from jaxtyping import UInt8

from modalities.core.problems import unusable
from modalities.slides.reading.handles import Handle, open_handle
from modalities.slides.reading.tiff.jpeg_tiff import VENDORS, open_jpeg_tiff

_PLAUSIBLE_MPP = (0.05, 8.0)  # a TIFF without a resolution often claims 72 dots an inch: 353 micrometres a pixel
_STRIP_PX = 8_000_000
_NEARLY = 1.01  # a level of downsample 2.0005 serves a tile that wants 2


class Slide:
    """An open slide; a context manager."""

    def __init__(self, path: Path, handle: Handle, mpp: float) -> None:
        """Take over the handle."""
        self.path = path
        self.mpp = mpp
        """Micrometres a pixel of level 0."""
        self.width, self.height = handle.dimensions
        """Of level 0, in pixels."""
        self._handle = handle
        plain = handle.properties.get(openslide.PROPERTY_NAME_VENDOR) in VENDORS
        self._direct = open_jpeg_tiff(path, handle.level_dimensions) if plain else None
        colour = handle.properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, "FFFFFF")
        self._background = np.array([int(colour[place : place + 2], 16) for place in (0, 2, 4)], dtype=np.float32)

    def __enter__(self) -> "Slide":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.close()
        if self._direct:
            self._direct.close()

    def region(self, x: int, y: int, level: int, width: int, height: int) -> UInt8[np.ndarray, "height width 3"]:
        """The pixels of a level from (x, y) of level 0 on; what was not scanned has the background's colour.

        Raises:
            ValueError: the file is damaged there.
        """
        found = self._straight(x, y, level, width, height)
        if found is not None:
            return found
        try:
            pixels = np.asarray(self._handle.read_region((x, y), level, (width, height)))
        except openslide.OpenSlideError as error:
            raise unusable(
                f"the slide is damaged: its pixels cannot be read ({error})",
                "copy or scan it again",
                file=self.path.name,
            ) from error
        return self._composited(pixels)

    def thumbnail(self, longest_px: int) -> UInt8[np.ndarray, "height width 3"]:
        """The whole slide, its longer side at most `longest_px`; from the smallest level that is large enough."""
        sizes = self._handle.level_dimensions
        level = max([index for index, size in enumerate(sizes) if max(size) >= longest_px], default=0)
        width, height = sizes[level]
        scale = max(1.0, max(width, height) / longest_px)
        columns, rows = max(1, round(width / scale)), max(1, round(height / scale))
        found = np.empty((rows, columns, 3), dtype=np.uint8)
        step = max(1, int(_STRIP_PX / width / scale))  # in strips: a slide of one level need not fit in memory
        for top in range(0, rows, step):
            bottom = min(rows, top + step)
            first, last = round(top * height / rows), round(bottom * height / rows)
            offset = round(first * self.height / height)
            strip = self.region(0, offset, level, width, last - first)
            found[top:bottom] = cv2.resize(strip, (columns, bottom - top), interpolation=cv2.INTER_AREA)
        return found

    def tile(self, x: int, y: int, side0: int, tile_px: int) -> UInt8[np.ndarray, "tile_px tile_px 3"]:
        """The square of `side0` level-0 pixels at (x, y), as `tile_px` pixels a side."""
        downsamples = self._handle.level_downsamples
        wanted = side0 / tile_px * _NEARLY
        level = max(index for index, downsample in enumerate(downsamples) if downsample <= max(wanted, downsamples[0]))
        side = max(1, round(side0 / downsamples[level]))
        found = self.region(x, y, level, side, side)
        if side == tile_px:
            return found
        how = cv2.INTER_AREA if side > tile_px else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(found, (tile_px, tile_px), interpolation=how), dtype=np.uint8)

    def _straight(self, x: int, y: int, level: int, width: int, height: int) -> np.ndarray | None:
        """The region without OpenSlide, where it begins at a whole pixel of the level."""
        downsample = self._handle.level_downsamples[level]
        if self._direct is None or x % downsample or y % downsample:
            return None
        return self._direct.region(int(x / downsample), int(y / downsample), level, width, height)

    def _composited(self, pixels: UInt8[np.ndarray, "height width 4"]) -> UInt8[np.ndarray, "height width 3"]:
        """Transparent pixels on the background: dropping their alpha would make them black."""
        alpha = pixels[..., 3]
        if alpha.min() == 255:
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB), dtype=np.uint8)
        share = alpha[..., None].astype(np.float32) / 255
        return np.rint(pixels[..., :3] * share + self._background * (1 - share)).astype(np.uint8)


def open_slide(path: Path, mpp: float = 0.0, default_mpp: float = 0.0) -> Slide:
    """The slide of this file; `mpp` overrules what the file says, `default_mpp` serves one that says nothing.

    Raises:
        ValueError: nothing here can read the file, or nobody says how many micrometres a pixel is.
    """
    handle = open_handle(path)
    found = mpp or mpp_of(handle) or default_mpp
    if not found:
        said = handle.properties.get(openslide.PROPERTY_NAME_MPP_X)
        handle.close()
        raise ValueError(
            f"{path.name}: no microns-per-pixel in the slide's metadata"
            + (f" (it says {float(said):.4g}, which no scanner has)" if said else "")
            + "; set `slides.default_mpp` in site.yaml, or the column `mpp` of slides.csv "
            + "(Aperio at 20x is about 0.5, at 40x 0.25)"
        )
    return Slide(path, handle, found)


def mpp_of(handle: Handle) -> float:
    """Micrometres a pixel by the file's metadata: said, or as the objective's power makes it; 0 if neither."""
    properties = handle.properties
    try:
        across = float(properties[openslide.PROPERTY_NAME_MPP_X])
        mpp = (across + float(properties.get(openslide.PROPERTY_NAME_MPP_Y, across))) / 2
    except (KeyError, ValueError):
        mpp = 0.0
    if _PLAUSIBLE_MPP[0] <= mpp <= _PLAUSIBLE_MPP[1]:
        return mpp
    try:
        power = float(properties[openslide.PROPERTY_NAME_OBJECTIVE_POWER])
    except (KeyError, ValueError):
        return 0.0
    return 10 / power if 1 <= power <= 100 else 0.0
