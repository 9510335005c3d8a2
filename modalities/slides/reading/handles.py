"""What an open slide must offer, whoever reads the file: OpenSlide's way of asking, which the other readers keep to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import openslide

from modalities.core.problems import unusable
from modalities.slides.reading.dicom import is_dicom
from modalities.slides.reading.tiff.ome_tiff import open_ome_tiff
from modalities.slides.reading.unreadable import remedy_of


@runtime_checkable
class Handle(Protocol):
    """An open slide as OpenSlide shows it."""

    @property
    def dimensions(self) -> tuple[int, int]:
        """Width and height of level 0, in pixels."""
        ...

    @property
    def level_dimensions(self) -> tuple[tuple[int, int], ...]:
        """Width and height of each level, the largest first."""
        ...

    @property
    def level_downsamples(self) -> tuple[float, ...]:
        """Pixels of level 0 for each pixel of the level."""
        ...

    @property
    def properties(self) -> Mapping[str, str]:
        """By OpenSlide's names; nothing else of the file's metadata is asked for."""
        ...

    def read_region(self, location: tuple[int, int], level: int, size: tuple[int, int]) -> Any:
        """RGBA pixels of a level from a place of level 0 on, transparent where nothing was scanned."""
        ...

    def close(self) -> None:
        """Give the file back."""
        ...


def open_handle(path: Path) -> Handle:
    """The slide of this file, by whichever reader knows it.

    Raises:
        ValueError: none does, or the file is damaged.
    """
    if is_dicom(path):
        from modalities.slides.reading.dicom_slide import open_dicom  # here, since few sites have any

        return open_dicom(path)
    ome = open_ome_tiff(path)
    if ome is not None:
        return ome
    try:
        return openslide.OpenSlide(path)
    except (openslide.OpenSlideError, OSError) as error:
        raise unusable(f"not a slide that can be read ({error})", remedy_of(path), file=path.name) from error
