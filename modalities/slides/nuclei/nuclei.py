"""The nuclei of a tile: found by their haematoxylin, measured, and counted by class.

No trained model: haematoxylin by colour deconvolution, a threshold above its surroundings, touching nuclei parted
between the peaks of the distance to the edge. Classes are of size, shape and stain, and named for what is
measured; what they mostly are in breast tissue stands beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from modalities.slides.nuclei.outlines import Haematoxylin, Outlines, outlines
from modalities.slides.tissue.colour import UNIT, haematoxylin_in

CLASSES = ("small", "medium", "large_pale", "large_dark", "elongated")
"""Of nuclei.

`elongated`: at least twice as long as wide (fibroblasts, endothelium, muscle). Of the others, `small`: below 25 square
micrometres (lymphocytes); `medium`: below 50 (normal epithelium, plasma cells); larger ones by their haematoxylin
beside that of the slide's typical nucleus: `large_pale` (vesicular tumour nuclei), `large_dark` (hyperchromatic ones).
"""
_SMALL_UM2, _MEDIUM_UM2, _LEAST_UM2, _MOST_UM2 = 25.0, 50.0, 8.0, 500.0
_ELONGATED, _DARK = 2.0, 1.15


@dataclass(frozen=True)
class Nuclei:
    """The nuclei of one tile; all arrays in the same order."""

    centre_um: Float64[np.ndarray, "nucleus 2"]
    """x and y in the tile."""
    area_um2: Float64[np.ndarray, " nucleus"]
    elongation: Float64[np.ndarray, " nucleus"]
    """Long axis by short axis of the ellipse with the same moments; 1 is a circle."""
    stain: Float64[np.ndarray, " nucleus"]
    """Mean haematoxylin, as optical density."""
    texture: Float64[np.ndarray, " nucleus"]
    """Standard deviation of the haematoxylin within the nucleus."""
    typical: float = 0.6
    """Haematoxylin of the slide's typical nucleus: laboratories stain differently."""

    def __len__(self) -> int:
        return len(self.area_um2)

    def classes(self) -> Int64[np.ndarray, " nucleus"]:
        """Index into CLASSES."""
        by_size = np.digitize(self.area_um2, [_SMALL_UM2, _MEDIUM_UM2])
        large = np.where(self.stain < _DARK * self.typical, CLASSES.index("large_pale"), CLASSES.index("large_dark"))
        sized = np.where(by_size == 2, large, by_size)
        return np.where(self.elongation >= _ELONGATED, CLASSES.index("elongated"), sized).astype(np.int64)

    def composition(self) -> Float32[np.ndarray, " class"]:
        """How many there are of each class."""
        return np.bincount(self.classes(), minlength=len(CLASSES)).astype(np.float32)


def nuclei_in(tile: UInt8[np.ndarray, "height width 3"], um_px: float) -> Nuclei:
    """The nuclei of a tile with `um_px` micrometres a pixel; made for about 0.5."""
    haematoxylin = haematoxylin_in(tile)
    return measured(haematoxylin, outlines(haematoxylin, um_px), um_px)


def with_typical_stain(nuclei: Sequence[Nuclei], typical: float | None) -> tuple[list[Nuclei], float | None]:
    """The nuclei of a slide's tiles, told what is typical there: the median of its first tiles that have any."""
    if typical is None and any(len(found) for found in nuclei):
        typical = float(np.median(np.concatenate([found.stain for found in nuclei])))
    return [replace(found, typical=typical or found.typical) for found in nuclei], typical


def measured(haematoxylin: Haematoxylin, found: Outlines, um_px: float) -> Nuclei:
    """Size, shape and stain of nuclei, from sums over their pixels; specks and clumps are left out."""
    values = haematoxylin.take(found.y * haematoxylin.shape[1] + found.x) / UNIT
    x, y = found.x.astype(np.float64), found.y.astype(np.float64)
    n = np.bincount(found.nucleus)

    def mean(of: np.ndarray) -> np.ndarray:
        return np.bincount(found.nucleus, weights=of) / n

    at_x, at_y, stain = mean(x), mean(y), mean(values)
    xx, yy, xy = mean(x * x) - at_x**2 + 1 / 12, mean(y * y) - at_y**2 + 1 / 12, mean(x * y) - at_x * at_y
    half, root = (xx + yy) / 2, np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    area = n * um_px**2
    kept = (area >= _LEAST_UM2) & (area <= _MOST_UM2)
    return Nuclei(
        (np.stack([at_x, at_y], axis=1) + 0.5)[kept] * um_px,
        area[kept],
        np.sqrt((half + root) / np.maximum(half - root, 1e-6))[kept],
        stain[kept],
        np.sqrt(np.maximum(mean(values * values) - stain**2, 0))[kept],
    )
