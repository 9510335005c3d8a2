"""The recipe from slide to tile features, which all sites of a federation share."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field

CODE_VERSION = 1
"""Raise it when the same recipe gives other features: what was prepared before is then made again."""


@dataclass(frozen=True)
class SlidesConfig:
    """Section `slides` of a slide modality in federation.yaml.

    The defaults of tissue and choice are the paper's. Source: arXiv 2509.03408.
    """

    tile_um: float = 128.0
    """Side of a tile on the tissue, in micrometres, so that scanners agree; 128 is 512 pixels at 40x."""
    tile_px: int = 256
    """Side of a tile as the backbone gets it, in pixels; 256 for 128 micrometres is 0.5 micrometres a pixel (20x)."""
    n_tiles: int = 50
    """The most tissue-rich tiles that are kept of a case; 0 keeps all."""
    saturation: int = 20
    """Tissue is where the median of the HSV saturation is above this, of 255."""
    median_px: int = 7
    """Side of that median on the thumbnail, odd, in pixels."""
    min_tissue: float = 0.05
    """Keep a tile when more than this share of it is tissue, in [0, 1)."""
    mask_px: int = 1000
    """Longest side of the thumbnail that the mask is made on, in pixels."""
    dark: int = 40
    """A pixel whose brightest colour is below this, of 255, is a black band, a fold or dust: never tissue."""
    pen_hue: list[int] = field(default_factory=lambda: [20, 120])
    """Hues of pen ink, from and to, of OpenCV's 180: yellow, green and blue; haematoxylin and eosin lie above 125."""
    pen_saturation: int = 60
    """Ink is at least this saturated, of 255."""
    max_pen: float = 0.5
    """A slide whose ink covers more than this share of its stained area is left out, in (0, 1]."""
    min_tiles: int = 1
    """A slide with fewer tissue tiles than this is left out."""
    min_sharpness: float = 0.02
    """A slide whose tiles are, in the median, less sharp than this is out of focus; see quality.py; 0 keeps all."""
    max_enlargement: float = 2.1
    """A slide that was scanned so coarsely that tiles would be enlarged more than this is left out."""
    backbone: str = "stain"
    """What turns a tile into features: `stain`, or the name of a timm model."""
    weights_digest: str = ""
    """SHA-256 of the backbone's weights, so that all sites use the same; empty accepts any."""
    composition: bool = True
    """Count each tile's nuclei by class; a graph needs it."""
    seed: int = 0
    """Of the choice between equally tissue-rich tiles."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        hues = list(self.pen_hue)
        problems = {
            f"tile_um must be positive, got {self.tile_um}": self.tile_um <= 0,
            f"tile_px must be at least 16, got {self.tile_px}": self.tile_px < 16,
            f"n_tiles must not be negative, got {self.n_tiles}": self.n_tiles < 0,
            f"saturation must be from 0 to 254, got {self.saturation}": not 0 <= self.saturation < 255,
            f"median_px must be odd and at least 3, got {self.median_px}": self.median_px < 3
            or self.median_px % 2 == 0,
            f"min_tissue must be in [0, 1), got {self.min_tissue}": not 0 <= self.min_tissue < 1,
            f"mask_px must be from 64 to 10000, got {self.mask_px}": not 64 <= self.mask_px <= 10_000,
            f"dark must be from 0 to 255, got {self.dark}": not 0 <= self.dark <= 255,
            f"pen_hue must be two hues from 0 to 180, got {hues}": len(hues) != 2 or not 0 <= hues[0] <= hues[1] <= 180,
            f"pen_saturation must be from 0 to 255, got {self.pen_saturation}": not 0 <= self.pen_saturation <= 255,
            f"max_pen must be in (0, 1], got {self.max_pen}": not 0 < self.max_pen <= 1,
            f"min_tiles must be at least 1, got {self.min_tiles}": self.min_tiles < 1,
            f"min_sharpness must not be negative, got {self.min_sharpness}": self.min_sharpness < 0,
            f"max_enlargement must be at least 1, got {self.max_enlargement}": self.max_enlargement < 1,
            "backbone: name one, such as stain": not self.backbone,
        }
        found = [problem for problem, holds in problems.items() if holds]
        if found:
            raise ValueError("; ".join(found))

    @property
    def um_px(self) -> float:
        """Micrometres a pixel of a tile as the backbone gets it."""
        return self.tile_um / self.tile_px

    def digest(self, weights: str = "") -> str:
        """Of everything that features depend on beside the slide: recipe, code version and weights digest."""
        recipe = {**dataclasses.asdict(self), "code": CODE_VERSION, "weights": weights, "weights_digest": ""}
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


PAPER = {"tile_um": 128.0, "n_tiles": 50, "saturation": 20, "median_px": 7, "min_tissue": 0.05}
"""The paper's tissue recipe and choice, for the `paper` presets; tiles of 512 pixels at 40x.

Source: arXiv 2509.03408.
"""
