"""The arrays of a feature file as tiles: whoever wrote the file, each array has a finite row for every tile."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modalities.core.problems import Problem, ProblemsError
from modalities.slides.bags import TileFeatures, side_of

ARRAYS = {"features": np.float32, "coords": np.int64, "tissue": np.float32, "composition": np.float32}
"""The arrays of a slide's tiles, and the numbers that they are kept as."""
SLACK_BYTES = 1 << 20
_DIMENSIONS = {"features": 2, "coords": 2, "tissue": 1, "composition": 2}
_FARTHEST = 2**53
_AGAIN = "extract the features again"


class FeatureFileError(ProblemsError):
    """What is wrong with a feature file, with its name and what to do."""


class NoTilesError(FeatureFileError):
    """A whole file of a slide on which its tool found no tile, as newer TRIDENT writes for a blank one."""


def refuse(path: Path, problems: Sequence[str], remedy: str = _AGAIN) -> None:
    """Raise one error that holds these problems of the file, if there are any.

    Raises:
        FeatureFileError: there are.
    """
    if problems:
        raise FeatureFileError(Problem("; ".join(problems), remedy, file=path.name))


def size_of(shape: Sequence[int]) -> str:
    """`5 x 7`, as problems name it."""
    return " x ".join(map(str, shape)) or "of one number"


def tiles_of(path: Path, held: Mapping[str, np.ndarray], **about: Any) -> TileFeatures:
    """The arrays of `ARRAYS` that a file holds, as tiles, whose side shows in their places where the file has none.

    Raises:
        NoTilesError: there is no tile.
        FeatureFileError: shapes do not fit, or numbers are not finite.
    """
    if all(_rows(array).shape[:1] == (0,) for array in held.values()):
        raise NoTilesError(Problem("its tool found no tile on the slide", file=path.name))
    with np.errstate(over="ignore", invalid="ignore"):  # what is no finite number of that type is refused below
        arrays = {name: _rows(array).astype(ARRAYS[name]) for name, array in held.items()}
        infinite = [
            name for name, array in held.items() if not (_is_finite(name, array) and _is_finite(name, arrays[name]))
        ]
    problems = _shape_problems(arrays)
    if not problems:
        n_tiles = len(arrays["features"])
        lengths = {name: len(array) for name, array in arrays.items()}
        problems = [f"{name} has {n} rows for {n_tiles} tiles" for name, n in lengths.items() if n != n_tiles]
        problems += [f"{name} are not all finite numbers" for name in infinite]
    refuse(path, problems)
    if "coords" in arrays and not about.get("side0"):
        about["side0"] = round(side_of(arrays["coords"]))
    return TileFeatures(**{"coords": None, **arrays}, **about)


def _rows(values: np.ndarray) -> np.ndarray:
    """Without the leading 1 of some versions."""
    return values[0] if values.ndim == 3 and len(values) == 1 else values


def _is_finite(name: str, values: np.ndarray) -> bool:
    """Places beyond what a slide can be count as infinite: they have no whole number."""
    if name == "coords":
        values = np.where(np.abs(values.astype(np.float64)) < _FARTHEST, 0.0, np.inf)
    return bool(np.isfinite(values).all())


def _shape_problems(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """What is wrong with the arrays' shapes: [tile, feature], [tile, 2], [tile], [tile, class]."""
    found = []
    for name, array in arrays.items():
        if name == "features" and array.ndim == 1:
            found.append(
                f"features are one vector ({size_of(array.shape)} numbers) of the whole slide, not a row a tile: for "
                "slide embeddings use a modality of kind `wsi_slide`"
            )
        elif array.ndim != _DIMENSIONS[name] or (name == "coords" and array.shape[1] != 2):
            found.append(f"{name} has the shape {size_of(array.shape)}")
    return found
