"""Tile features without weights: colour, texture and nuclei, each of them a quantity with a name."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from scipy.spatial import KDTree

from modalities.slides.backbones.table import STAIN
from modalities.slides.nuclei.nuclei import CLASSES, Nuclei
from modalities.slides.tissue.colour import optical_density, stains

_STAINS = ("haematoxylin", "eosin", "residual")
_BANDS = 5
_CLEAR = 0.06  # optical density of glass: lumens, fat, cracks
_LEAST_LUMEN_UM2 = 150.0
_NEAR_UM = 15.0
_Values = dict[str, float]


class Stain:
    """Some sixty numbers a tile: what a pathologist has words for, measured."""

    name = STAIN
    digest = ""
    licence = "no weights"
    uses_nuclei = True

    def __init__(self, um_px: float) -> None:
        """For tiles of `um_px` micrometres a pixel."""
        self._um_px = um_px
        blank = np.full((64, 64, 3), 255, dtype=np.uint8)
        nothing = np.zeros(0)
        none = Nuclei(np.zeros((0, 2)), nothing, nothing, nothing, nothing)
        self.names = tuple(self._values(blank, none))

    def encode(
        self, tiles: Sequence[UInt8[np.ndarray, "height width 3"]], nuclei: Sequence[Nuclei]
    ) -> Float32[np.ndarray, "tile feature"]:
        """A row a tile."""
        rows = [list(self._values(tile, found).values()) for tile, found in zip(tiles, nuclei, strict=True)]
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(self.names))

    def _values(self, tile: np.ndarray, nuclei: Nuclei) -> _Values:
        density = optical_density(tile)
        unmixed = stains(density)
        area_mm2 = tile.shape[0] * tile.shape[1] * self._um_px**2 / 1e6
        return {
            **_colour(density, unmixed),
            **_texture(unmixed),
            **_lumens(density, self._um_px, area_mm2),
            **_fibres(unmixed[..., 1], self._um_px),
            **_nuclei(nuclei, area_mm2),
        }


def _colour(density: np.ndarray, unmixed: np.ndarray) -> _Values:
    """Level and spread of the light's three colours and of the stains."""
    found: _Values = {}
    for channel, name in enumerate(("red", "green", "blue")):
        mean, spread = cv2.meanStdDev(density[..., channel])
        found |= {f"{name}_mean": float(mean[0, 0]), f"{name}_std": float(spread[0, 0])}
    for channel, name in enumerate(_STAINS):
        values = unmixed[..., channel]
        mean, spread = cv2.meanStdDev(values)
        found |= {f"{name}_mean": float(mean[0, 0]), f"{name}_std": float(spread[0, 0])}
        tenths = np.percentile(values[::2, ::2], (10, 50, 90))
        found |= {f"{name}_p{at}": float(value) for at, value in zip((10, 50, 90), tenths, strict=True)}
    return found


def _texture(unmixed: np.ndarray) -> _Values:
    """Contrast of haematoxylin and eosin in octaves, from the finest detail on: a Laplacian pyramid."""
    found: _Values = {}
    for channel, name in enumerate(_STAINS[:2]):
        image = np.ascontiguousarray(unmixed[..., channel])
        for band in range(_BANDS):
            coarser = cv2.pyrDown(image)
            detail = image - cv2.pyrUp(coarser, dstsize=(image.shape[1], image.shape[0]))
            found[f"{name}_band{band}"] = float(cv2.meanStdDev(detail)[1][0, 0])
            image = coarser
    return found


def _lumens(density: np.ndarray, um_px: float, area_mm2: float) -> _Values:
    """Holes in the tissue: their share of the tile, how many, how large."""
    clear = (cv2.GaussianBlur(density.mean(axis=2), (0, 0), max(0.3, 1.0 / um_px)) < _CLEAR).astype(np.uint8)
    _, _, statistics, _ = cv2.connectedComponentsWithStats(clear, connectivity=4)
    areas = statistics[1:, cv2.CC_STAT_AREA] * um_px**2
    large = areas[areas >= _LEAST_LUMEN_UM2]
    return {
        "clear_share": float(clear.mean()),
        "lumens_mm2": len(large) / area_mm2,
        "lumen_um2": float(np.log1p(large).mean()) if len(large) else 0.0,
    }


def _fibres(eosin: np.ndarray, um_px: float) -> _Values:
    """How far eosin runs in one direction, near by and over the tile: stroma does, epithelium doesn't.

    Source: the structure tensor (Bigun and Granlund 1987).
    """
    smooth = cv2.GaussianBlur(np.ascontiguousarray(eosin), (0, 0), max(0.3, 1.0 / um_px))
    dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    real, imaginary, energy = dx * dx - dy * dy, 2 * dx * dy, dx * dx + dy * dy
    near = [cv2.blur(part, (2 * round(6 / um_px) + 1,) * 2) for part in (real, imaginary, energy)]
    coherence = np.sqrt(near[0] ** 2 + near[1] ** 2) / np.maximum(near[2], 1e-9)
    whole = np.hypot(real.sum(), imaginary.sum()) / max(float(energy.sum()), 1e-9)
    mean, spread = cv2.meanStdDev(coherence)
    return {"fibre_mean": float(mean[0, 0]), "fibre_std": float(spread[0, 0]), "fibre_order": float(whole)}


def _nuclei(nuclei: Nuclei, area_mm2: float) -> _Values:
    """How many nuclei, how large, round, dark and even, how close together, and of which class."""
    n = len(nuclei)
    found: _Values = {"nuclei_mm2": n / area_mm2, "nuclei_share": float(nuclei.area_um2.sum()) / (area_mm2 * 1e6)}
    for name, values in (
        ("area_um2", nuclei.area_um2),
        ("elongation", np.minimum(nuclei.elongation, 10.0)),
        ("stain", nuclei.stain),
        ("texture", nuclei.texture),
    ):
        found[f"nuclei_{name}_mean"] = float(values.mean()) if n else 0.0
        found[f"nuclei_{name}_std"] = float(values.std()) if n else 0.0
        found[f"nuclei_{name}_p90"] = float(np.percentile(values, 90)) if n else 0.0
    found |= _spacing(nuclei)
    shares = nuclei.composition() / max(n, 1)
    return found | {f"nuclei_{name}": float(share) for name, share in zip(CLASSES, shares, strict=True)}


def _spacing(nuclei: Nuclei) -> _Values:
    """Distance to the nearest other nucleus, and how many lie near."""
    if len(nuclei) < 2:
        return {"nuclei_nearest_um_mean": 0.0, "nuclei_nearest_um_std": 0.0, "nuclei_near_mean": 0.0}
    tree = KDTree(nuclei.centre_um)
    nearest = np.asarray(tree.query(nuclei.centre_um, k=2)[0])[:, 1]
    near = np.asarray(tree.query_ball_point(nuclei.centre_um, _NEAR_UM, return_length=True)) - 1
    return {
        "nuclei_nearest_um_mean": float(nearest.mean()),
        "nuclei_nearest_um_std": float(nearest.std()),
        "nuclei_near_mean": float(near.mean()),
    }
