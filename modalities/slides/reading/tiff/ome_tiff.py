"""OME-TIFF pyramids, whose levels are SubIFDs, which OpenSlide does not read: it would see one level, or a label.

Source: OME-TIFF 6.3 (https://docs.openmicroscopy.org/ome-model/latest/ome-tiff), resolutions as SubIFDs.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openslide
import tifffile
from jaxtyping import UInt8

from modalities.core.problems import unusable
from modalities.slides.reading.levels import Levels
from modalities.slides.reading.tiff.ome_xml import slide_in
from modalities.slides.reading.tiff.tiff_tiles import TiffTiles, is_of_colours

ENDINGS = (".tif", ".tiff", ".btf", ".tf2", ".tf8")
"""Of files that may be OME-TIFF."""
_REMEDY = "export it as a pyramid of tiles in RGB, with raw2ometiff: --rgb"


class OmeTiff(Levels):
    """The slide's levels, white where the file leaves a tile out."""

    def __init__(self, tiles: TiffTiles, sizes: list[tuple[int, int]], properties: Mapping[str, str]) -> None:
        """Over the levels' tiles, the largest first."""
        super().__init__(sizes)
        self._tiles = tiles
        self.properties = properties

    def _read(self, place: tuple[int, int], level: int, size: tuple[int, int]) -> UInt8[np.ndarray, "height width 4"]:
        pixels = self._tiles.region(*place, level, *size, absent=255)
        if pixels is None:
            raise openslide.OpenSlideError("a tile cannot be decoded")
        return np.dstack([pixels, np.full(pixels.shape[:2], 255, dtype=np.uint8)])

    def close(self) -> None:
        """The file."""
        self._tiles.close()


def open_ome_tiff(path: Path) -> OmeTiff | None:
    """The slide; None where the file is no OME-TIFF, or none that can be told.

    Raises:
        ValueError: it is one, and is not read.
    """
    if path.suffix.lower() not in ENDINGS:
        return None
    try:
        file = tifffile.TiffFile(path)
    except Exception:  # of any kind that a damaged file may cause: OpenSlide will say what is wrong
        return None
    try:
        text = _description(file)
        slide = _opened(file, text) if text else None
    except ValueError as error:
        file.close()
        raise unusable(f"an OME-TIFF that is not read: {error}", _REMEDY, file=path.name) from error
    if slide is None:
        file.close()
    return slide


def _description(file: tifffile.TiffFile) -> str:
    """The first page's text if that is OME-XML, else empty."""
    try:
        text = file.pages.first.description
    except Exception:  # of a damaged page
        return ""
    return text if "<" in text[:1] and text.rstrip().endswith("OME>") else ""


def _opened(file: tifffile.TiffFile, text: str) -> OmeTiff:
    image, power = slide_in(text)
    try:
        main = file.pages[min(image.ifds, default=0)]
        levels = [main, *(main.pages or ())] if isinstance(main, tifffile.TiffPage) else []
    except Exception as error:  # of any kind that a damaged file may cause
        raise ValueError(f"a page is damaged ({type(error).__name__})") from error
    pages = [page for page in levels if isinstance(page, tifffile.TiffPage) and is_of_colours(page)]
    if not pages or pages[0] is not main:
        raise ValueError(f"{_kind(main)}, where tiles of 3 x 8 bits side by side are read")
    pages.sort(key=lambda page: -page.imagewidth)
    lengths = {openslide.PROPERTY_NAME_MPP_X: image.um("X"), openslide.PROPERTY_NAME_MPP_Y: image.um("Y")}
    properties = {name: str(length) for name, length in lengths.items() if length}
    properties |= {openslide.PROPERTY_NAME_OBJECTIVE_POWER: power} if power else {}
    return OmeTiff(TiffTiles(file, pages), [(page.imagewidth, page.imagelength) for page in pages], properties)


def _kind(page: tifffile.TiffPage | tifffile.TiffFrame) -> str:
    """What the page is, in a word."""
    if not isinstance(page, tifffile.TiffPage):
        return "a page without a description"
    return f"{'tiles' if page.is_tiled else 'one piece'} of {page.samplesperpixel} x {page.bitspersample} bits"
