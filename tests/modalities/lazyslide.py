"""Zarr stores as LazySlide 0.9 and wsidata 0.12 leave them, written by hand: no library of theirs is needed."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.modalities.wsi import classed_features, grid


def write_array(path: Path, values: np.ndarray, chunk: Sequence[int] = ()) -> None:
    """Format 3, as zarr 3 writes it by default: little endian, Zstandard, a file a chunk."""
    chunk = tuple(chunk) or values.shape
    path.mkdir(parents=True)
    content = {
        "shape": values.shape,
        "data_type": str(values.dtype),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
        ],
        "attributes": {"encoding-type": "array", "encoding-version": "0.2.0"},
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }
    (path / "zarr.json").write_text(json.dumps(content))
    for place in np.ndindex(*(-(-side // part) for side, part in zip(values.shape, chunk, strict=True))):
        corner = tuple(slice(at * part, (at + 1) * part) for at, part in zip(place, chunk, strict=True))
        whole = np.zeros(chunk, values.dtype)
        whole[tuple(slice(side) for side in values[corner].shape)] = values[corner]
        file = path.joinpath("c", *map(str, place))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(imagecodecs.zstd_encode(whole.tobytes(), level=1))


def write_group(path: Path, **attributes: Any) -> None:
    path.mkdir(parents=True, exist_ok=True)
    (path / "zarr.json").write_text(json.dumps({"attributes": attributes, "zarr_format": 3, "node_type": "group"}))


def square(x: float, y: float, side: float) -> bytes:
    """`shapely.box(x, y, x + side, y + side).wkb`."""
    corners = [(x + side, y), (x + side, y + side), (x, y + side), (x, y), (x + side, y)]
    return struct.pack("<BIII10d", 1, 3, 1, 5, *(number for corner in corners for number in corner))


def write_store(
    path: Path,
    tables: Mapping[str, np.ndarray],
    corners: np.ndarray,
    side: float = 512.0,
    ids: Sequence[int] | None = None,
    mpp: float | None = 0.25,
) -> Path:
    """A store of a slide: `<model>_tiles` for each table, all of the same tiles."""
    write_group(path, spatialdata_attrs={"version": "0.2"}, slide_properties={"shape": [9000, 12_000], "mpp": mpp})
    write_group(path / "tables")
    write_group(path / "shapes")
    write_group(path / "shapes" / "tiles", **{"encoding-type": "ngff:shapes"})
    geometry = [square(float(x), float(y), side) for x, y in corners]
    rows = {"tile_id": np.arange(len(corners)), "tissue_id": np.zeros(len(corners), int), "geometry": geometry}
    pq.write_table(pa.table(rows), path / "shapes" / "tiles" / "shapes.parquet")
    for name, values in tables.items():
        table = path / "tables" / name
        write_group(table, **{"encoding-type": "anndata", "region": "tiles", "instance_key": "tile_id"})
        write_array(table / "X", values)
        write_array(table / "obs" / "tile_id", np.asarray(range(len(values)) if ids is None else ids, np.int64))
    return path


def write_lazyslide(
    folder: Path, case_ids: Sequence[str], labels: Sequence[int] | np.ndarray, rng: np.random.Generator
) -> Path:
    """A store a slide, of a 40x scanner and tiles of 256 pixels at 20x."""
    folder.mkdir(parents=True)
    for case_id, label in zip(case_ids, labels, strict=True):
        n_tiles = int(rng.integers(9, 19))
        features = classed_features(label, n_tiles, rng)
        write_store(folder / f"{case_id}.zarr", {"uni_tiles": features}, grid(n_tiles))
    return folder
