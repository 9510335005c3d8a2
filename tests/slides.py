"""Small slides for tests: tiled JPEG pyramids that OpenSlide takes for a scanner's."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import tifffile

from modalities.core.contract import Source
from modalities.slides.bags import SlideTiles
from modalities.slides.config import SlidesConfig
from modalities.slides.reading.source import read_case_by_case

TILE_PX = 256


def read_slides(source: Source, config: SlidesConfig) -> tuple[dict[str, tuple[SlideTiles, ...]], dict[str, int]]:
    """Every case, and the notes."""
    notes = Counter[str]()
    return dict(read_case_by_case(source, config, notes)), dict(notes)


def write_slide(
    path: Path, pixels: np.ndarray, mpp: float | None = 0.5, levels=(1, 4), power: int | None = None
) -> Path:
    """A slide of these pixels; without mpp and power the file says neither, as a plain TIFF does."""
    height, width = pixels.shape[:2]
    said = "".join(f"|{name} = {value}" for name, value in (("AppMag", power), ("MPP", mpp)) if value is not None)
    about = f"Aperio Image Library v12.0.0 \r\n{width}x{height} [0,0 {width}x{height}] (256x256) JPEG/RGB Q=90{said}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path) as file:
        for level in levels:
            size = (int(width / level), int(height / level))
            shrunk = pixels if level == 1 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
            file.write(
                shrunk,
                tile=(TILE_PX, TILE_PX),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 90},
                description=about,
                metadata=None,
            )
    return path


def glass(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A blank slide: nearly white, with the noise of a camera."""
    noise = np.random.default_rng(seed).normal(243, 2, (height, width, 3))
    return noise.clip(0, 255).astype(np.uint8)


def with_tissue(pixels: np.ndarray, top: int, left: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """The slide with a rectangle of tissue: pink, with purple nuclei of 8 to 14 pixels."""
    rng = np.random.default_rng(seed)
    found = pixels.copy()
    part = found[top : top + height, left : left + width]
    part[:] = rng.normal((225, 150, 190), 6, part.shape).clip(0, 255).astype(np.uint8)
    for _ in range(height * width // 900):
        centre = (int(rng.integers(left, left + width)), int(rng.integers(top, top + height)))
        axes = (int(rng.integers(4, 8)), int(rng.integers(4, 7)))
        cv2.ellipse(found, centre, axes, int(rng.integers(0, 180)), 0, 360, (90, 50, 140), -1)
    return found
