"""Pixels straight from the tiles of a TIFF, each decoded once and kept for a while."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import tifffile
from jaxtyping import UInt8

_KEPT = 256  # decoded tiles: a row of them, of which misaligned reads need most twice
_ABSENT = np.empty((0, 0, 3), dtype=np.uint8)


class TiffTiles:
    """The levels of a slide that are pages of tiles, of three colours of 8 bits."""

    def __init__(self, file: tifffile.TiffFile, pages: Sequence[tifffile.TiffPage | None]) -> None:
        """Over an open file; None for a level that is no such page."""
        self._file, self._pages = file, pages
        self._kept: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def close(self) -> None:
        """The file."""
        self._file.close()

    def region(
        self, x: int, y: int, level: int, width: int, height: int, absent: int | None = None
    ) -> UInt8[np.ndarray, "height width 3"] | None:
        """The pixels from (x, y) of the level itself on.

        None beyond the level's edges, where a tile is damaged, and where one is not in the file, unless `absent` says
        what stands for its pixels.
        """
        page = self._pages[level]
        if page is None or min(x, y) < 0 or x + width > page.imagewidth or y + height > page.imagelength:
            return None
        across, down = page.tilewidth, page.tilelength
        found = np.empty((height, width, 3), dtype=np.uint8)
        for row in range(y // down, (y + height - 1) // down + 1):
            for column in range(x // across, (x + width - 1) // across + 1):
                tile = self._tile(level, page, row, column)
                if tile is None or (not tile.size and absent is None):
                    return None
                top, left = max(y, row * down), max(x, column * across)
                bottom, right = min(y + height, (row + 1) * down), min(x + width, (column + 1) * across)
                part = tile[top - row * down : bottom - row * down, left - column * across : right - column * across]
                found[top - y : bottom - y, left - x : right - x] = part if tile.size else np.uint8(absent or 0)
        return found

    def _tile(self, level: int, page: tifffile.TiffPage, row: int, column: int) -> np.ndarray | None:
        """A decoded tile of the file, without pixels if the file leaves it out; None if it is damaged."""
        number = row * -(-page.imagewidth // page.tilewidth) + column
        if (level, number) not in self._kept:
            n_bytes = page.databytecounts[number]
            if not n_bytes:
                return _ABSENT
            self._file.filehandle.seek(page.dataoffsets[number])
            data = self._file.filehandle.read(n_bytes)
            try:
                decoded = page.decode(data, number, jpegtables=page.jpegtables, _fullsize=True)[0]
            except Exception:  # of whichever decoder
                return None
            self._kept[level, number] = np.asarray(decoded)[0]
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[level, number]


def is_of_colours(page: tifffile.TiffPage) -> bool:
    """Whether the page is tiles of three colours of 8 bits, side by side."""
    is_decoded_as_rgb = page.photometric == tifffile.PHOTOMETRIC.RGB or (
        page.photometric == tifffile.PHOTOMETRIC.YCBCR and page.compression == tifffile.COMPRESSION.JPEG
    )
    return (
        page.is_tiled
        and is_decoded_as_rgb
        and page.planarconfig == tifffile.PLANARCONFIG.CONTIG
        and (page.samplesperpixel, page.bitspersample) == (3, 8)
    )
