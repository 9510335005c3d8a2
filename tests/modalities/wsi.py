"""What the tests of both slide modalities share: made-up tiles, and feature files as TRIDENT and CLAM write them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from modalities.core.contract import Cases
from modalities.core.settings.federation import federation_from
from modalities.slides.bags import SlideTiles, TileFeatures


def config_of(kind: str, **settings: object) -> Any:
    return federation_from({"modalities": {kind: settings}}).modalities[kind]


def grid(n_tiles: int, side0: int = 512) -> np.ndarray:
    """Upper left corners of a round piece of tissue of so many tiles."""
    width = int(np.sqrt(n_tiles * 1.4)) + 2
    cells = np.stack(np.meshgrid(np.arange(width), np.arange(width)), axis=-1).reshape(-1, 2)
    nearest = np.argsort(np.hypot(*(cells - width / 2).T), kind="stable")[:n_tiles]
    return cells[np.sort(nearest)].astype(np.int64) * side0


def tiles_of(n_tiles: int, rng: np.random.Generator, mpp: float = 0.25, n_features: int = 7) -> TileFeatures:
    coords = grid(n_tiles)
    composition = rng.poisson(3, (n_tiles, 5)).astype(np.float32)
    features = rng.normal(0, 1, (n_tiles, n_features)).astype(np.float32)
    return TileFeatures(features, coords, 512, mpp, composition=composition, classes=tuple("abcde"))


def slide_of(tiles: TileFeatures, name: str = "slide-1") -> SlideTiles:
    return SlideTiles("case-1", name, tiles)


def classed_features(label: int, n_tiles: int, rng: np.random.Generator, n_features: int = 7) -> np.ndarray:
    """Tiles of a case whose class shifts one of the features."""
    shifted = np.zeros(n_features)
    shifted[label] = 1.5
    return (rng.normal(0, 1, (n_tiles, n_features)) + shifted).astype(np.float32)


def write_trident(
    folder: Path, case_ids: Sequence[str], labels: Sequence[int] | np.ndarray, rng: np.random.Generator
) -> Path:
    """features and coords as TRIDENT's `patches` and `features_*` folders have them; 20x of a 40x slide."""
    folder.mkdir(parents=True)
    for case_id, label in zip(case_ids, labels, strict=True):
        n_tiles = int(rng.integers(9, 19))
        with h5py.File(folder / f"{case_id}.h5", "w") as file:
            file["features"] = classed_features(label, n_tiles, rng)
            file["coords"] = grid(n_tiles)
            file["coords"].attrs.update(
                {
                    "patch_size": 256,
                    "patch_size_level0": 512,
                    "level0_magnification": 40,
                    "target_magnification": 20,
                    "overlap": 0,
                    "level0_width": 9000,
                    "level0_height": 9000,
                    "name": case_id,
                    "savetodir": "/home/somebody/trident",
                }
            )
    return folder


def write_clam(
    folder: Path, case_ids: Sequence[str], labels: Sequence[int] | np.ndarray, rng: np.random.Generator
) -> Path:
    """CLAM's h5_files and pt_files: the .pt holds the features alone."""
    for kind in ("h5_files", "pt_files"):
        (folder / kind).mkdir(parents=True)
    for case_id, label in zip(case_ids, labels, strict=True):
        n_tiles = int(rng.integers(9, 19))
        features = classed_features(label, n_tiles, rng)
        torch.save(torch.from_numpy(features), folder / "pt_files" / f"{case_id}.pt")
        with h5py.File(folder / "h5_files" / f"{case_id}.h5", "w") as file:
            file["features"] = features
            file["coords"] = grid(n_tiles)
            attributes = {"patch_level": 1, "patch_size": 256, "downsample": np.array([2.0, 2.0]), "name": case_id}
            file["coords"].attrs.update(attributes)
    return folder


def write_stamp(
    folder: Path, case_ids: Sequence[str], labels: Sequence[int] | np.ndarray, rng: np.random.Generator
) -> Path:
    """STAMP 2.4's folder of an encoder: `feats` of half precision, places in micrometres, no pixels of the slide."""
    folder.mkdir(parents=True)
    for case_id, label in zip(case_ids, labels, strict=True):
        n_tiles = int(rng.integers(9, 19))
        with h5py.File(folder / f"{case_id}.h5", "w") as file:
            file["coords"] = (grid(n_tiles, 1) * 256.0).astype(np.float32)
            file["feats"] = classed_features(label, n_tiles, rng).astype(np.float16)
            file.attrs.update(
                {
                    "stamp_version": "2.4.0",
                    "extractor": "uni2",
                    "unit": "um",
                    "tile_size_um": 256.0,
                    "tile_size_px": 224,
                    "code_hash": "0a1b2c3d",
                    "feat_type": "tile",
                }
            )
    return folder


def write_trident_embeddings(
    folder: Path,
    case_ids: Sequence[str],
    labels: Sequence[int] | np.ndarray,
    rng: np.random.Generator,
    encoder: str = "titan",
) -> Path:
    """TRIDENT's folder of a slide encoder: a vector beside the places of the tiles that it was made of."""
    folder = folder / f"slide_features_{encoder}"
    folder.mkdir(parents=True)
    for case_id, label in zip(case_ids, labels, strict=True):
        with h5py.File(folder / f"{case_id}.h5", "w") as file:
            file["features"] = classed_features(label, 1, rng, 24)[0]
            file["features"].attrs.update({"name": case_id, "savetodir": "/home/somebody/trident"})
            file["coords"] = grid(13)
            file["coords"].attrs.update({"patch_size": 512, "patch_size_level0": 1024, "level0_magnification": 40})
    return folder


def write_stamp_embeddings(
    folder: Path,
    case_ids: Sequence[str],
    labels: Sequence[int] | np.ndarray,
    rng: np.random.Generator,
    encoder: str = "titan",
) -> Path:
    """STAMP 2.4's folder of a slide encoder: [1, feature], and the encoder's name."""
    folder = folder / f"{encoder}-slide-0a1b2c3d"
    folder.mkdir(parents=True)
    for case_id, label in zip(case_ids, labels, strict=True):
        with h5py.File(folder / f"{case_id}.h5", "w") as file:
            file["feats"] = classed_features(label, 1, rng, 24)
            file.attrs.update({"version": "2.4.0", "encoder": encoder, "precision": "torch.float32"})
            file.attrs.update({"stamp_version": "2.4.0", "code_hash": "0a1b2c3d", "feat_type": "slide"})
    return folder


def as_cases(values: list) -> Cases:
    return Cases(tuple(f"case-{number}" for number in range(len(values))), values)
