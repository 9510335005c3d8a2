"""Made-up slides: pyramidal JPEG TIFFs as Aperio writes them, of H&E-like tissue whose build depends on the class.

Nothing in them is learnt from, or copied from, a patient. Seven traits of a case are drawn around those of its class:
how dense, large, uneven and dark its nuclei are, the shares of stroma and of lumens, and the width of its nests. Cases
of different classes overlap, so that no single look at them tells the classes apart for sure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

MPP, POWER = 0.5, 20
_SIDE = 640
_TILE = 256
_JPEG_QUALITY = 80
_OVERLAP = 0.95
"""Spread of the cases of a class, in units of what lies between classes."""
_WHITE = np.array([243, 242, 244], dtype=np.float64)
_HAEMATOXYLIN, _EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])  # optical density of R, G, B
_AXES = (0.75, 0.87, 1.0)
_ANGLES = 8


@dataclass(frozen=True)
class Traits:
    """How the tissue of one case is built."""

    density: float
    """Nuclei a square millimetre of tumour."""
    nucleus_um: float
    """Mean diameter of a tumour nucleus."""
    pleomorphism: float
    """Standard deviation of the logarithm of that diameter."""
    stain: float
    """How dark that nucleus is; 1 is the middle."""
    stroma: float
    """Share of the tissue that is stroma."""
    lumens: float
    """Lumens a square millimetre of tumour: tubules."""
    nest_um: float
    """Width of the nests that the tumour grows in."""


_MIDDLE = np.array([3800.0, 10.5, 0.18, 1.0, 0.45, 20.0, 80.0])
_FACTOR = np.array([1.22, 1.12, 1.45, 1.10, 1.25, 2.0, 1.7])
"""One unit of a trait multiplies it by this."""
_CLASSES = np.array(
    [  # density, size, pleomorphism, stain, stroma, lumens, nests
        [-0.8, -1.0, -0.8, -0.5, 0.5, 1.0, 0.8],
        [0.6, -0.3, -0.2, 0.3, 0.6, -0.4, -0.9],
        [0.9, 0.6, 0.9, 0.8, -1.0, -0.8, 0.9],
        [-0.5, 0.8, 0.2, -0.6, -0.2, 0.2, -1.0],
    ]
)


def traits_of(label: int, rng: np.random.Generator) -> Traits:
    """Traits of one case; the centre of a class depends on its number alone, so that sites agree on it."""
    known = label < len(_CLASSES)
    centre = _CLASSES[label] if known else np.random.default_rng([61, label]).uniform(-1.2, 1.2, len(_MIDDLE))
    drawn = np.clip(centre + rng.normal(0, _OVERLAP, len(_MIDDLE)), -2.5, 2.5)
    return Traits(*(_MIDDLE * _FACTOR**drawn))


def write_slide(path: Path, label: int, seed: int, side: int = _SIDE) -> None:
    """One slide of a case of this class: `side` pixels of half a micrometre each way, and a level at a quarter."""
    import tifffile

    image = paint(traits_of(label, np.random.default_rng([seed, 1])), np.random.default_rng([seed, 2]), side)
    about = f"Aperio Image Library v12.0.0\r\n{side}x{side} JPEG/RGB Q={_JPEG_QUALITY}|AppMag = {POWER}|MPP = {MPP}"
    with tifffile.TiffWriter(path) as tiff:
        for level, pixels in enumerate(_levels(image)):
            tiff.write(
                pixels,
                tile=(_TILE, _TILE),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": _JPEG_QUALITY},
                subfiletype=1 if level else 0,
                description=None if level else about,
                metadata=None,
            )


def write_slides(folder: Path, case_ids: Sequence[str], classes: Sequence[int], rng: np.random.Generator) -> None:
    """A slide `<case_id>.svs` for every case; one that stands already is left as it is.

    So two modalities that read slides can share a folder: the first writes, the second finds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seeds = rng.integers(0, 2**31, len(case_ids))
    for case_id, label, seed in zip(case_ids, classes, seeds, strict=True):
        path = folder / f"{case_id}.svs"
        if not path.exists():
            write_slide(path, int(label), int(seed))


def paint(traits: Traits, rng: np.random.Generator, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """The tissue of these traits as RGB on a white background."""
    tissue = _blob(rng, side)
    nests = _smooth(rng, side, traits.nest_um / MPP)
    stroma = nests < np.quantile(nests[::8, ::8], min(traits.stroma, 0.9))
    tumour = tissue & ~stroma
    grain = _grain(rng, side)
    eosin = np.where(stroma, np.float32(0.24), np.float32(0.13)) * (0.6 + 0.8 * grain)
    haematoxylin = np.where(stroma, np.float32(0.03), np.float32(0.08)) * (0.6 + 0.8 * grain)
    centres = np.flatnonzero(tumour)
    area_mm2 = len(centres) * (MPP / 1000) ** 2
    lumen = _lumens(rng, centres, side, rng.poisson(traits.lumens * area_mm2))
    solid = tissue & ~lumen
    eosin *= solid
    haematoxylin *= solid
    _stamp(haematoxylin, _nuclei(rng, np.flatnonzero(tumour & solid), side, traits, area_mm2))
    _stamp(haematoxylin, _fibroblasts(rng, np.flatnonzero(stroma & solid), side))
    haematoxylin *= 0.7 + 0.6 * _grain(rng, side)  # chromatin
    gain = np.exp(rng.normal(0, 0.15, 2)).astype(np.float32)  # no two laboratories stain alike
    blurred = [cv2.GaussianBlur(layer, (0, 0), float(rng.uniform(0.3, 1.0))) for layer in (haematoxylin, eosin)]
    return _coloured(blurred[0] * gain[0], blurred[1] * gain[1])


def _levels(image: UInt8[np.ndarray, "side side 3"]) -> list[np.ndarray]:
    quarter = image.shape[0] // 4
    return [image, cv2.resize(image, (quarter, quarter), interpolation=cv2.INTER_AREA)]


def _smooth(rng: np.random.Generator, side: int, width: float) -> Float32[np.ndarray, "side side"]:
    """Smooth noise whose bumps are `width` pixels wide."""
    cells = max(3, round(side / width) + 2)
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def _blob(rng: np.random.Generator, side: int) -> Bool[np.ndarray, "side side"]:
    """One piece of tissue with a ragged outline, about two thirds of the slide."""
    line = np.linspace(-1, 1, side, dtype=np.float32)
    distance = np.hypot(line[:, None], line[None, :])
    return distance + 0.09 * _smooth(rng, side, side / 5) < 1.0


@cache
def _grain_bank() -> Float32[np.ndarray, "1024 1024"]:
    """Fine, streaky noise in [0, 1], the same for every slide, of which each takes its own part."""
    rng = np.random.default_rng(71)
    noise = rng.standard_normal((1024, 1024), dtype=np.float32)
    streaks = cv2.GaussianBlur(noise, (0, 0), sigmaX=5, sigmaY=0.8)
    return cv2.normalize(streaks, None, 0, 1, cv2.NORM_MINMAX)  # pyright: ignore[reportCallIssue, reportArgumentType]


def _grain(rng: np.random.Generator, side: int) -> Float32[np.ndarray, "side side"]:
    bank = _grain_bank()
    shift = rng.integers(0, len(bank), 2)
    rows, columns = ((np.arange(side) + start) % len(bank) for start in shift)
    return bank[rows][:, columns]


def _lumens(rng: np.random.Generator, centres: np.ndarray, side: int, count: int) -> Bool[np.ndarray, "side side"]:
    """Round holes at places of the tumour."""
    drawn = np.zeros((side, side), dtype=np.uint8)
    for place in rng.choice(centres, count) if len(centres) else ():
        axes = rng.integers(16, 36, 2)
        middle = (int(place % side), int(place // side))
        cv2.ellipse(drawn, middle, (int(axes[0]), int(axes[1])), float(rng.uniform(0, 180)), 0, 360, 255, -1)
    return drawn > 0


_Nuclei = Iterator[tuple[int, int, np.ndarray]]


def _nuclei(rng: np.random.Generator, places: np.ndarray, side: int, traits: Traits, area_mm2: float) -> _Nuclei:
    """Centre and stamp of every tumour nucleus."""
    count = rng.poisson(traits.density * area_mm2) if len(places) else 0
    diameters = traits.nucleus_um / MPP * np.exp(rng.normal(0, traits.pleomorphism, count))
    shapes, angles = rng.integers(0, len(_AXES), count), rng.integers(0, _ANGLES, count)
    for place, diameter, shape, angle in zip(rng.choice(places, count), diameters, shapes, angles, strict=True):
        yield (
            *divmod(int(place), side),
            traits.stain * _template(int(np.clip(diameter, 8, 48) * 2), _AXES[shape], int(angle)),
        )


def _fibroblasts(rng: np.random.Generator, places: np.ndarray, side: int) -> _Nuclei:
    """Sparse, thin nuclei of the stroma, all lying about the same way."""
    count = rng.poisson(700 * len(places) * (MPP / 1000) ** 2) if len(places) else 0
    way = rng.integers(0, _ANGLES)
    for place, turn in zip(rng.choice(places, count), rng.integers(0, 2, count), strict=True):
        yield *divmod(int(place), side), _template(44, 0.35, int(way + turn) % _ANGLES)


@cache
def _template(half_pixels: int, ratio: float, angle: int) -> Float32[np.ndarray, "size size"]:
    """Haematoxylin of one nucleus: an ellipse with a dark rim, `half_pixels` / 2 long."""
    radius = half_pixels / 4
    size = 2 * int(np.ceil(radius)) + 3
    line = np.arange(size, dtype=np.float32) - size // 2
    turn = np.pi * angle / _ANGLES
    along = np.cos(turn) * line[None, :] + np.sin(turn) * line[:, None]
    across = -np.sin(turn) * line[None, :] + np.cos(turn) * line[:, None]
    distance = np.hypot(along / radius, across / (radius * ratio))
    inside = np.clip((1 - distance) * radius * ratio + 0.5, 0, 1)
    return (inside * (0.45 + 0.2 * np.clip(distance, 0, 1) ** 2)).astype(np.float32)


def _stamp(layer: Float32[np.ndarray, "side side"], nuclei: _Nuclei) -> None:
    """Put every nucleus on the layer; where two meet, the darker counts."""
    side = len(layer)
    for row, column, stamp in nuclei:
        half = len(stamp) // 2
        top, left = row - half, column - half
        if top >= 0 and left >= 0 and top + len(stamp) <= side and left + len(stamp) <= side:
            view = layer[top : top + len(stamp), left : left + len(stamp)]
            np.maximum(view, stamp, out=view)


def _coloured(haematoxylin: np.ndarray, eosin: np.ndarray) -> UInt8[np.ndarray, "side side 3"]:
    """Beer and Lambert: each stain takes its share of each colour. Tables of 256 steps stand for the exponential."""
    steps = [np.clip(layer * 255, 0, 255).astype(np.uint8) for layer in (haematoxylin, eosin)]
    amounts = np.arange(256)[:, None] / 255
    channels = []
    for colour in range(3):
        passed = [
            (255 * 10 ** (-amounts[:, 0] * density[colour] * 1.6)).astype(np.uint8)
            for density in (_HAEMATOXYLIN, _EOSIN)
        ]
        layers = [cv2.LUT(step, table) for step, table in zip(steps, passed, strict=True)]
        both = cv2.multiply(layers[0], layers[1], scale=1 / 255)
        channels.append(cv2.LUT(both, (np.arange(256) * _WHITE[colour] / 255).astype(np.uint8)))
    return cv2.merge(channels)
