"""The recipe from slide to tile features, which all sites of a federation share."""

import dataclasses
import hashlib
import json
from dataclasses import field
from typing import Annotated

from pydantic import AfterValidator, Field, StrictFloat, StrictInt

from modalities.core.fields import Count, Level, NotNegative, Positive, ShareBelowOne, Whole, settings

CODE_VERSION = 2
"""Raise it when the same recipe gives other features: what was prepared before is then made again."""

RESIZE = "bicubic"
"""How tiles are brought to the size of a network with weights, so that those of another way are made again."""


def _odd(side: int) -> int:
    if side % 2 == 0:
        raise ValueError(f"must be odd, got {side}")
    return side


def _range(hues: list[int]) -> list[int]:
    if len(hues) != 2 or hues[0] > hues[1]:
        raise ValueError(f"must be two hues, the lower one first, got {hues}")
    return hues


HueRange = Annotated[list[Annotated[StrictInt, Field(ge=0, le=180)]], AfterValidator(_range)]


@settings
class SlidesConfig:
    """Section `slides` of a slide modality in federation.yaml.

    The defaults of tissue and choice are the paper's. Source: arXiv 2509.03408.
    """

    tile_um: Positive = 128.0
    """Side of a tile on the tissue, in micrometres, so that scanners agree; 128 is 512 pixels at 40x."""
    tile_px: Annotated[StrictInt, Field(ge=16, le=4096)] = 256
    """Side of a tile as the backbone gets it, in pixels; 256 for 128 micrometres is 0.5 micrometres a pixel (20x)."""
    n_tiles: Whole = 50
    """The most tissue-rich tiles that are kept of a case; 0 keeps all."""
    saturation: Annotated[StrictInt, Field(ge=0, le=254)] = 20
    """Tissue is where the median of the HSV saturation is above this, of 255."""
    median_px: Annotated[StrictInt, Field(ge=3), AfterValidator(_odd)] = 7
    """Side of that median on the thumbnail, odd, in pixels."""
    min_tissue: ShareBelowOne = 0.05
    """Keep a tile when more than this share of it is tissue."""
    mask_px: Annotated[StrictInt, Field(ge=64, le=10_000)] = 1000
    """Longest side of the thumbnail that the mask is made on, in pixels."""
    dark: Level = 40
    """A pixel whose brightest colour is below this, of 255, is a black band, a fold or dust: never tissue."""
    pen_hue: HueRange = field(default_factory=lambda: [20, 120])
    """Hues of pen ink, from and to, of OpenCV's 180: yellow, green and blue; haematoxylin and eosin lie above 125."""
    pen_saturation: Level = 60
    """Ink is at least this saturated, of 255."""
    max_pen: Annotated[StrictFloat, Field(gt=0, le=1)] = 0.5
    """A slide whose ink covers more than this share of its stained area is left out."""
    min_tiles: Count = 1
    """A slide with fewer tissue tiles than this is left out."""
    min_sharpness: NotNegative = 0.02
    """A slide whose tiles are, in the median, less sharp than this is out of focus; see quality.py; 0 keeps all."""
    max_enlargement: Annotated[StrictFloat, Field(ge=1)] = 2.1
    """A slide that was scanned so coarsely that tiles would be enlarged more than this is left out."""
    backbone: Annotated[str, Field(min_length=1)] = "stain"
    """What turns a tile into features: `stain`, an encoder that `tessera-client encoders` lists, or a model of timm."""
    weights_digest: str = ""
    """SHA-256 of the backbone's file of weights, so that all sites use the same; empty accepts any."""
    composition: bool = True
    """Count each tile's nuclei by class; a graph needs it."""
    seed: StrictInt = 0
    """Of the choice between equally tissue-rich tiles."""

    @property
    def um_px(self) -> float:
        """Micrometres a pixel of a tile as the backbone gets it."""
        return self.tile_um / self.tile_px

    def digest(self, weights: str = "") -> str:
        """Of everything that features depend on beside the slide: recipe, code version and weights digest."""
        recipe = {**dataclasses.asdict(self), "code": CODE_VERSION, "weights": weights, "weights_digest": ""}
        recipe |= {"resize": RESIZE} if weights else {}
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


PAPER = {"tile_um": 128.0, "n_tiles": 50, "saturation": 20, "median_px": 7, "min_tissue": 0.05}
"""The paper's tissue recipe and choice, for the `paper` presets; tiles of 512 pixels at 40x.

Source: arXiv 2509.03408.
"""
