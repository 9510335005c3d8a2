"""The nuclei of a tile: found by their haematoxylin, measured, and counted by class.

No trained model: haematoxylin by colour deconvolution, a threshold above its surroundings, touching nuclei parted
between the peaks of the distance to the edge. Classes are of size, shape and stain, and named for what is
measured; what they mostly are in breast tissue stands beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64, UInt8

from modalities.slides.tissue.colour import optical_density, stains

CLASSES = ("small", "medium", "large_pale", "large_dark", "elongated")
"""Of nuclei.

`elongated`: at least twice as long as wide (fibroblasts, endothelium, muscle). Of the others, `small`: below 25 square
micrometres (lymphocytes); `medium`: below 50 (normal epithelium, plasma cells); larger ones by their haematoxylin
beside that of the slide's typical nucleus: `large_pale` (vesicular tumour nuclei), `large_dark` (hyperchromatic ones).
"""
_SMALL_UM2, _MEDIUM_UM2, _LEAST_UM2, _MOST_UM2 = 25.0, 50.0, 8.0, 500.0
_ELONGATED, _DARK = 2.0, 1.15
_FLOOR = 0.15
_SPREADS, _CONTRAST, _HEIGHT, _AROUND_UM = 0.4, (0.05, 0.2), 0.4, 16.0


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
    haematoxylin = np.ascontiguousarray(stains(optical_density(tile))[..., 0])
    return measured(haematoxylin, outlines(haematoxylin, um_px), um_px)


def with_typical_stain(nuclei: Sequence[Nuclei], typical: float | None) -> tuple[list[Nuclei], float | None]:
    """The nuclei of a slide's tiles, told what is typical there: the median of its first tiles that have any."""
    if typical is None and any(len(found) for found in nuclei):
        typical = float(np.median(np.concatenate([found.stain for found in nuclei])))
    return [replace(found, typical=typical or found.typical) for found in nuclei], typical


def outlines(haematoxylin: Float32[np.ndarray, "height width"], um_px: float) -> Int32[np.ndarray, "height width"]:
    """A number from 1 on for each nucleus, 0 between them."""
    smooth = cv2.GaussianBlur(haematoxylin, (0, 0), max(0.3, 0.5 / um_px))
    around = cv2.blur(smooth, (2 * round(_AROUND_UM / um_px) + 1,) * 2)
    contrast = min(max(_SPREADS * float(smooth.std()), _CONTRAST[0]), _CONTRAST[1])
    edge = _HEIGHT * (cv2.dilate(smooth, _disc(3.0 / um_px)) - around)  # of the darkest nearby: where a nucleus ends
    stained = (smooth > np.maximum(around + np.maximum(contrast, edge), _FLOOR)).astype(np.uint8)
    stained = np.asarray(cv2.morphologyEx(stained, cv2.MORPH_OPEN, _disc(0.5 / um_px)), dtype=np.uint8)
    depth = cv2.GaussianBlur(cv2.distanceTransform(stained, cv2.DIST_L2, 5), (0, 0), max(0.3, 1.0 / um_px))
    peaks = (depth >= cv2.dilate(depth, _disc(3.5 / um_px))) & (depth > 0.6 / um_px) & (stained > 0)
    return _parted(stained, peaks)


def measured(
    haematoxylin: Float32[np.ndarray, "height width"], labels: Int32[np.ndarray, "height width"], um_px: float
) -> Nuclei:
    """Size, shape and stain of numbered nuclei, from sums over their pixels; specks and clumps are left out."""
    ys, xs = np.nonzero(labels)
    label, values = labels[ys, xs], haematoxylin[ys, xs].astype(np.float64)
    n = np.maximum(np.bincount(label), 1)[1:]

    def mean(of: np.ndarray) -> np.ndarray:
        return np.bincount(label, weights=of)[1:] / n

    x, y, stain = mean(xs), mean(ys), mean(values)
    xx, yy, xy = mean(xs * xs) - x * x + 1 / 12, mean(ys * ys) - y * y + 1 / 12, mean(xs * ys) - x * y
    half, root = (xx + yy) / 2, np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    area = n * um_px**2
    kept = (area >= _LEAST_UM2) & (area <= _MOST_UM2)
    return Nuclei(
        (np.stack([x, y], axis=1) + 0.5)[kept] * um_px,
        area[kept],
        np.sqrt((half + root) / np.maximum(half - root, 1e-6))[kept],
        stain[kept],
        np.sqrt(np.maximum(mean(values * values) - stain**2, 0))[kept],
    )


def _disc(radius_px: float) -> np.ndarray:
    side = 2 * max(1, round(radius_px)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def _parted(
    stained: UInt8[np.ndarray, "height width"], seeds: Bool[np.ndarray, "height width"]
) -> Int32[np.ndarray, "height width"]:
    """Each stained pixel goes to the nearest seed; what hangs together with nothing else of it is a part of its own."""
    _, blobs = cv2.connectedComponents(stained, connectivity=4, ltype=cv2.CV_32S)
    _, nearest = cv2.distanceTransformWithLabels((~seeds).astype(np.uint8), cv2.DIST_L2, 5)
    pair = np.where(stained > 0, blobs * (int(nearest.max()) + 1) + nearest, 0)
    number = np.cumsum(np.bincount(pair.ravel()) > 0) - 1
    return number[pair].astype(np.int32)
