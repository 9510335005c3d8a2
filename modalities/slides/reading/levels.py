"""The levels of a slide that is not read by OpenSlide, shown as OpenSlide shows them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8


class Levels(ABC):
    """The sizes of a slide's levels, the largest first."""

    def __init__(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Width and height of each in pixels."""
        width, height = sizes[0]
        self.level_dimensions = tuple(sizes)
        self.dimensions = sizes[0]
        self.level_downsamples = tuple((width / across + height / down) / 2 for across, down in sizes)

    def read_region(
        self, location: tuple[int, int], level: int, size: tuple[int, int]
    ) -> UInt8[np.ndarray, "height width 4"]:
        """RGBA pixels of the level, transparent beyond its edges; `location` is in pixels of the largest.

        Raises:
            OpenSlideError: they cannot be decoded.
        """
        found = np.zeros((size[1], size[0], 4), dtype=np.uint8)
        left, top = (round(place / self.level_downsamples[level]) for place in location)
        across, down = self.level_dimensions[level]
        x, y = max(0, left), max(0, top)
        width, height = min(left + size[0], across) - x, min(top + size[1], down) - y
        if width > 0 and height > 0:
            found[y - top : y - top + height, x - left : x - left + width] = self._read((x, y), level, (width, height))
        return found

    @abstractmethod
    def _read(self, place: tuple[int, int], level: int, size: tuple[int, int]) -> UInt8[np.ndarray, "height width 4"]:
        """Pixels within the level; `place` is in its own."""
