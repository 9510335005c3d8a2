"""Stains apart: how much haematoxylin and eosin lies in each pixel."""

from functools import cache

import cv2
import numpy as np
from jaxtyping import Float32, Int16, UInt8

_HAEMATOXYLIN, _EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])  # of Ruifrok and Johnston
UNIT = 4096
"""Of densities in whole numbers: an optical density of 1; the densest haematoxylin is below 5."""
_DENSITY = (-np.log10((np.arange(256) + 1) / 256)).astype(np.float32)


def optical_density(tile: UInt8[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "height width 3"]:
    """-log10 of the light that passes, by colour; 0 is clear glass, 2.4 lets nothing through."""
    return np.asarray(cv2.LUT(tile, _DENSITY), dtype=np.float32)


def stains(density: Float32[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "height width 3"]:
    """Haematoxylin, eosin, and what is neither (signed), as optical densities.

    Source: Ruifrok and Johnston 2001, Quantification of histochemical staining by color deconvolution.
    """
    return np.asarray(cv2.transform(density, _unmixing()), dtype=np.float32)


def haematoxylin_in(tile: UInt8[np.ndarray, "height width 3"]) -> Int16[np.ndarray, "height width"]:
    """Haematoxylin alone, in whole numbers."""
    return np.asarray(cv2.transform(optical_density(tile), _unmixing()[:1] * UNIT)).astype(np.int16)


@cache
def _unmixing() -> np.ndarray:
    """Densities to stains: the inverse of the stains' own densities, the third at right angles to both."""
    haematoxylin, eosin = (stain / np.linalg.norm(stain) for stain in (_HAEMATOXYLIN, _EOSIN))
    rest = np.cross(haematoxylin, eosin)
    return np.linalg.inv(np.stack([haematoxylin, eosin, rest / np.linalg.norm(rest)])).T
