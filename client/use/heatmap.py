"""Contributions of tiles as a picture over the slide, and as GeoJSON that QuPath opens."""

from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from jaxtyping import Float, UInt8

from modalities.core.contract import Source
from modalities.slides.nuclei.contributions import Contributions

_LONGEST_PX = 1600
_FOR, _AGAINST = (200, 30, 40), (30, 80, 200)  # red and blue, R G B
_STRENGTH = 0.65
_MARGIN_PX = 44


def geojson(found: Contributions, label: str) -> dict[str, Any]:
    """A FeatureCollection with a square a tile, in pixels of level 0; drop it on the slide in QuPath.

    `measurements` holds the contribution, and the node of a graph, so that QuPath can colour and sort by them.
    """
    corners = _corners(found)
    side = found.slide.tiles.side0
    strengths = strength(found.share)
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": str(uuid5(NAMESPACE_OID, f"{found.slide.slide}|{label}|{row}")),
                "geometry": {"type": "Polygon", "coordinates": [_square(int(x), int(y), side)]},
                "properties": {
                    "objectType": "tile",
                    "classification": {
                        "name": f"{'for' if share >= 0 else 'against'} {label}",
                        "color": list(_FOR if share >= 0 else _AGAINST),
                    },
                    "measurements": {
                        "contribution": float(share),
                        "strength": float(strengths[row]),
                        **({} if found.node is None else {"node": int(found.node[row])}),
                    },
                },
            }
            for row, ((x, y), share) in enumerate(zip(corners, found.share, strict=True))
        ],
    }


def heatmap(found: Contributions, label: str, source: Source) -> bytes:
    """PNG: the slide with red tiles for the class and blue ones against it, the largest the most opaque.

    Where the site has only feature files, the tiles lie on white.
    """
    import cv2  # needs the `slides` extra

    colourful, scale = _background(found, source)
    grey = cv2.cvtColor(cv2.cvtColor(colourful, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    picture = cv2.addWeighted(colourful, 0.35, grey, 0.65, 0)  # so that the stains drown neither red nor blue
    corners, side = _corners(found) * scale, max(1.0, found.slide.tiles.side0 * scale)
    for (x, y), share, much in zip(corners, found.share, strength(found.share), strict=True):
        left, top = int(x), int(y)
        part = picture[top : int(np.ceil(y + side)), left : int(np.ceil(x + side))]
        colour = np.array(_FOR if share >= 0 else _AGAINST, dtype=np.float32)
        part[:] = np.rint(part * (1 - _STRENGTH * much) + colour * (_STRENGTH * much)).astype(np.uint8)
    words = f"red: for {label}   blue: against   contributions add up to {found.share.sum():+.3f}"
    framed = np.full((picture.shape[0] + _MARGIN_PX, max(picture.shape[1], 640), 3), 255, dtype=np.uint8)
    framed[_MARGIN_PX:, : picture.shape[1]] = picture
    cv2.putText(framed, words, (8, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    written, encoded = cv2.imencode(".png", cv2.cvtColor(framed, cv2.COLOR_RGB2BGR))
    if not written:
        raise ValueError("the picture cannot be written as PNG")
    return encoded.tobytes()


def strength(share: Float[np.ndarray, " tile"]) -> Float[np.ndarray, " tile"]:
    """From 0 for no contribution to 1 for the largest of the slide."""
    largest = np.abs(share).max(initial=0.0)
    return np.abs(share) / largest if largest > 0 else np.zeros_like(share)


def _corners(found: Contributions) -> np.ndarray:
    coords = found.slide.tiles.coords
    if coords is None or not found.slide.tiles.side0:
        raise ValueError(
            f"{found.slide.slide}: its feature file does not say where its tiles lie; put the .h5 with `coords` there"
        )
    if found.slide.tiles.is_nominal:
        raise ValueError(
            f"{found.slide.slide}: its feature file gives places in micrometres, not in pixels of the slide; add the "
            "slide's `mpp` to slides.csv"
        )
    return coords


def _square(x: int, y: int, side: int) -> list[list[int]]:
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]


def _background(found: Contributions, source: Source) -> tuple[UInt8[np.ndarray, "height width 3"], float]:
    """The slide's thumbnail, or white, and its pixels for each pixel of level 0."""
    from modalities.slides.reading.manifest import listed_files
    from modalities.slides.reading.reading import open_slide

    name = found.slide.slide
    for entry in listed_files(source):
        if entry.slide == name and not entry.is_features and entry.path.is_file():
            with open_slide(entry.path, entry.mpp, source.slides.default_mpp) as slide:
                picture = slide.thumbnail(_LONGEST_PX)
                return picture, picture.shape[1] / slide.width
    width, height = found.slide.tiles.size0
    far = _corners(found).max(axis=0) + found.slide.tiles.side0
    width, height = max(width, int(far[0])), max(height, int(far[1]))
    scale = min(1.0, _LONGEST_PX / max(width, height))
    return np.full((round(height * scale), round(width * scale), 3), 255, dtype=np.uint8), scale
