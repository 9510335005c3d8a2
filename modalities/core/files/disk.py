"""How much room a disk has left."""

import shutil
from pathlib import Path


def free_bytes(path: Path) -> float:
    """Bytes free where this path is, or would be."""
    there = next(place for place in (path, *path.resolve().parents) if place.exists())
    return float(shutil.disk_usage(there).free)
