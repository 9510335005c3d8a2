"""Zarr stores as paths: many files in a folder, which is one file to its tools and to the lists of slides."""

import os
from collections.abc import Iterator
from pathlib import Path

STORE = ".zarr"
"""How the folder of a store ends."""
TABLES = "tables"
"""Where a store keeps its tables; `S1.zarr/tables/uni_tiles` names one."""


def is_store(path: Path) -> bool:
    """Whether a path is the folder of a store."""
    return path.suffix.lower() == STORE and path.is_dir()


def store_of(path: Path) -> Path:
    """The store that a path is, or lies in; any other path is itself."""
    return next((folder for folder in (path, *path.parents) if is_store(folder)), path)


def is_in_store(path: Path) -> bool:
    """Whether a path is a store, or names a table of one, be that there or not."""
    return not path.is_file() and is_store(store_of(path))


def holds_tables(path: Path) -> bool:
    """Whether a store has a place for tables: without one it holds no features."""
    return (path / TABLES).is_dir()


def table_in(path: Path, name: str) -> Path:
    """The table of this name in a store; any other path, and one without a name, is itself."""
    return path / TABLES / name if name and is_store(path) else path


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below a folder, also links that lead nowhere, and every store as one; links to folders stay closed."""
    for parent, folders, files in os.walk(folder):
        stores = [name for name in folders if is_store(Path(parent) / name)]
        folders[:] = [name for name in folders if name not in stores]
        yield from (Path(parent) / name for name in [*files, *stores])
