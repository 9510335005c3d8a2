"""LazySlide's zarr stores, one a slide: SpatialData as its library `wsidata` writes it.

Source: the stores of LazySlide and wsidata. `tables/<model>_<tiles>/X` [tile, feature] with the attribute `region`,
the name of the tiles, and `obs/tile_id`; `shapes/<tiles>/shapes.parquet` with a square a tile in pixels of level 0, as
WKB, and the same `tile_id`; in the store's own attributes `slide_properties` with `mpp` and `shape` (height, width).
`uns/agg_ops/agg_slide/features` of a table is the embedding of the slide.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from modalities.core.files.packed import MOST_PACKED
from modalities.slides.bags import TileFeatures
from modalities.slides.features.arrays import SLACK_BYTES, refuse, tiles_of
from modalities.slides.features.stores import TABLES, store_of
from modalities.slides.features.zarr_store import array_in, attributes_of, has_array, inside, members_of

_AGGREGATED = "uns/agg_ops/agg_slide/features"
_SQUARE = b"\x01\x03\x00\x00\x00\x01\x00\x00\x00\x05\x00\x00\x00"
"""How a polygon of one ring of five points begins in WKB; ten numbers follow."""
_SQUARE_BYTES = len(_SQUARE) + 10 * 8
NAMED = "name the table in site.yaml: `columns: {features: ...}` of the source"
"""What to do about several tables."""
_NO_SQUARES = "write the tiles again with LazySlide's `tile_tissues`"


def read(path: Path) -> TileFeatures:
    """The tiles of a store's only table of features, or of the table that the path names: S1.zarr/tables/uni_tiles.

    Raises:
        FeatureFileError: the store holds no table of features, or several of which none is named.
    """
    store = store_of(path)
    table = _table(store, path)
    attributes = attributes_of(store, table)
    arrays, cut = {"features": array_in(store, f"{table}/X")}, _of_slide(store)
    region = attributes.get("region")
    if isinstance(region, str) and "shapes" in members_of(store, "") and region in members_of(store, "shapes"):
        corners, cut["side0"] = _squares(store, f"shapes/{region}/shapes.parquet", _tile_ids(store, table))
        arrays["coords"] = corners
        cut["about"] = {"backbone": Path(table).name.removesuffix(f"_{region}")}
    return tiles_of(store, arrays, **cut)


def slide_vectors(path: Path) -> list[np.ndarray]:
    """The embeddings of the slide that its tables hold, or the one that the path names has."""
    store = store_of(path)
    names = _tables(store) if path == store else [f"{TABLES}/{path.name}"]
    places = [f"{name}/{_AGGREGATED}" for name in names]
    return [array_in(store, place) for place in places if has_array(store, place)]


def _tables(store: Path) -> list[str]:
    """The tables that hold numbers of tiles."""
    names = members_of(store, TABLES) if inside(store, TABLES).is_dir() else []
    return [f"{TABLES}/{name}" for name in names if has_array(store, f"{TABLES}/{name}/X")]


def _table(store: Path, path: Path) -> str:
    tables = _tables(store)
    names = [Path(table).name for table in tables]
    if path != store:
        if path.name not in names:
            refuse(store, [f"holds no table {path.name}; it has {', '.join(names) or 'none of features'}"], NAMED)
        return f"{TABLES}/{path.name}"
    if not tables:
        refuse(store, ["holds no table of features"], "extract them with LazySlide's `feature_extraction`")
    if len(tables) > 1:
        refuse(store, [f"holds {len(tables)} tables of features: {', '.join(names)}"], NAMED)
    return tables[0]


def _of_slide(store: Path) -> dict[str, Any]:
    said = attributes_of(store).get("slide_properties")
    said = said if isinstance(said, dict) else {}
    mpp, shape = float(said.get("mpp") or 0.0), said.get("shape") or (0, 0)
    return {"mpp": mpp if np.isfinite(mpp) and mpp > 0 else 0.0, "size0": (int(shape[1]), int(shape[0]))}


def _tile_ids(store: Path, table: str) -> np.ndarray | None:
    place = f"{table}/obs/tile_id"
    return array_in(store, place) if has_array(store, place) else None


def _squares(store: Path, place: str, wanted: np.ndarray | None) -> tuple[np.ndarray, int]:
    """The upper left corners of a table's tiles, and their side."""
    path = inside(store, place)
    if not path.is_file():
        refuse(store, [f"{place} is not there"], _NO_SQUARES)
    with pq.ParquetFile(path, read_dictionary=["geometry"]) as file:
        groups = [file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups)]
        if max(sum(groups), file.metadata.num_rows) > MOST_PACKED * path.stat().st_size + SLACK_BYTES:
            refuse(store, [f"{place} claims {file.metadata.num_rows} tiles, more than a file of this size can hold"])
        columns = [name for name in ("tile_id", "geometry") if name in file.schema_arrow.names]
        rows = file.read(columns=columns)
    points = _points(store, place, rows)
    if wanted is not None and "tile_id" in columns:
        points = points[_rows_of(store, place, rows["tile_id"].to_numpy(), wanted)]
    corners = np.rint(points.min(axis=1))
    sides = np.ptp(points, axis=1) if len(points) else np.zeros((1, 2))
    return corners, int(np.rint(np.median(sides)))


def _points(store: Path, place: str, rows: Any) -> np.ndarray:
    """The five points of each square."""
    if "geometry" not in rows.column_names:
        refuse(store, [f"{place} has no column geometry"], _NO_SQUARES)
    column = rows["geometry"].combine_chunks()
    known = (column.dictionary if hasattr(column, "dictionary") else column).to_pylist()
    if column.null_count or any(len(square) != _SQUARE_BYTES for square in known):
        refuse(store, [f"{place}: not every tile is a square in WKB"], _NO_SQUARES)
    squares = np.frombuffer(b"".join(known), dtype=np.uint8).reshape(-1, _SQUARE_BYTES)
    if not (squares[:, : len(_SQUARE)] == np.frombuffer(_SQUARE, dtype=np.uint8)).all():
        refuse(store, [f"{place}: not every tile is a square in WKB"], _NO_SQUARES)
    points = np.ascontiguousarray(squares[:, len(_SQUARE) :]).view("<f8").reshape(-1, 5, 2)
    points = points[column.indices.to_numpy()] if hasattr(column, "dictionary") else points
    if not np.isfinite(points).all():
        refuse(store, [f"{place}: places are not all finite numbers"], _NO_SQUARES)
    return points


def _rows_of(store: Path, place: str, known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The row of each wanted tile."""
    row = {int(tile): number for number, tile in enumerate(known)}
    lacking = [int(tile) for tile in wanted if int(tile) not in row]
    if lacking:
        refuse(
            store, [f"{place} lacks {len(lacking)} of {len(wanted)} tiles, such as tile_id {lacking[0]}"], _NO_SQUARES
        )
    return np.array([row[int(tile)] for tile in wanted], dtype=np.int64)
