"""DICOM slides whose encoding OpenSlide does not know: JPEG-LS, HTJ2K, RLE, lossless JPEG, one colour of grey."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import openslide
from jaxtyping import UInt8

from modalities.slides.reading.handles import Handle
from modalities.slides.reading.levels import Levels


def _is_not_of_wsidicom(record: logging.LogRecord) -> bool:
    return "wsidicom" not in Path(record.pathname).parent.parts


# What they say of a file quotes its tags, which may be a patient's name; wsidicom says it through the root logger.
logging.getLogger().addFilter(_is_not_of_wsidicom)
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


class WsiDicomSlide(Levels):
    """The first pyramid of the files, as OpenSlide would show it."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Raise whatever wsidicom raises where it cannot read them, or LookupError where it leaves one out."""
        with _quiet():
            from wsidicom import WsiDicom  # takes a second

            self._slide = WsiDicom.open(list(files))
            self._pyramid = self._slide.pyramids[0]
            self._levels = sorted(self._pyramid.levels, key=lambda level: level.level)
            spacing = self._pyramid.mpp
        if sum(len(level.datasets) for level in self._levels) < len(files):
            self._slide.close()
            raise LookupError
        super().__init__([(level.size.width, level.size.height) for level in self._levels])
        self.properties: Mapping[str, str] = {
            openslide.PROPERTY_NAME_MPP_X: str(spacing.width),
            openslide.PROPERTY_NAME_MPP_Y: str(spacing.height),
        }

    def _read(self, place: tuple[int, int], level: int, size: tuple[int, int]) -> UInt8[np.ndarray, "height width 4"]:
        try:
            with _quiet():
                return np.asarray(self._slide.read_region(place, self._levels[level].level, size).convert("RGBA"))
        except Exception as error:  # of whichever decoder
            raise openslide.OpenSlideError(f"wsidicom: {type(error).__name__}") from None

    def close(self) -> None:
        """Of all its files."""
        self._slide.close()


def open_wsidicom(files: Sequence[Path]) -> Handle:
    """The slide of these files, the first tile decoded, since an encoding that is not known shows only then."""
    slide = WsiDicomSlide(files)
    try:
        slide.read_region((0, 0), len(slide.level_dimensions) - 1, (1, 1))
    except BaseException:
        slide.close()
        raise
    return slide


def _quiet() -> warnings.catch_warnings:
    return warnings.catch_warnings(action="ignore")
