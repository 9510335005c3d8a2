"""Nuclear composition that a site has already: a table with a row a tile, from any detector.

Columns `slide`, `x`, `y` (upper left corner, in pixels of level 0), and one column of counts for each class of nuclei.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from modalities.core.contract import Source
from modalities.core.files.tables.delimited import numbers, rows_of
from modalities.core.problems import unusable
from modalities.slides.bags import TileFeatures, side_of


def read_composition(path: Path, source: Source) -> dict[str, TileFeatures]:
    """Slide -> its tiles, the counts as features too.

    Raises:
        ValueError: a column is absent, or a cell is no finite number of at least 0.
    """
    header, *rows = rows_of(path, sheet=source.sheet)
    columns = [source.columns.get(name, name) for name in ("slide", "x", "y")]
    if columns[0] not in header:
        raise unusable(
            f"no column {columns[0]}", "a table of tiles has slide, x, y and counts by class", file=path.name
        )
    slide, x, y = (header.index(name) for name in columns)
    classes = tuple(name for name in header if name not in columns)
    if not classes:
        raise unusable("no column of counts beside slide, x and y", file=path.name)
    wanted = [x, y, *(header.index(name) for name in classes)]
    values = numbers(path, [[row[place] for place in wanted] for row in rows], [header[place] for place in wanted], 2)
    if np.isnan(values).any() or (values[:, 2:] < 0).any():
        raise unusable("counts and places must be given in every row, and counts not be negative", file=path.name)
    names = np.array([row[slide].strip().removesuffix(Path(row[slide]).suffix) for row in rows])
    return {str(name): _tiles(values[names == name], classes) for name in dict.fromkeys(names)}


def _tiles(values: np.ndarray, classes: tuple[str, ...]) -> TileFeatures:
    coords = values[:, :2].round().astype(np.int64)
    counts = values[:, 2:].astype(np.float32)
    return TileFeatures(counts, coords, round(side_of(coords)), names=classes, composition=counts, classes=classes)


def with_composition(tiles: TileFeatures, table: TileFeatures) -> TileFeatures:
    """The tiles with the table's composition, row for row by place.

    Raises:
        ValueError: the table lacks a tile.
    """
    place = {(int(x), int(y)): row for row, (x, y) in enumerate(table.coords if table.coords is not None else ())}
    wanted = [(int(x), int(y)) for x, y in (tiles.coords if tiles.coords is not None else ())]
    lacking = [corner for corner in wanted if corner not in place]
    if lacking or not wanted:
        raise unusable(
            f"the table of nuclear composition lacks {len(lacking) or len(tiles)} of {len(tiles)} "
            f"tiles{(f', such as x, y = {lacking[0]}' if lacking else '')}",
            "make it for the same tiles as the features",
        )
    counts = table.features[[place[corner] for corner in wanted]]
    return replace(tiles, composition=counts, classes=table.classes)
