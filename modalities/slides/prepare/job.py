"""What is to be prepared, and where its features go."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from modalities.slides.config import SlidesConfig

_SAMPLES, _SAMPLE_BYTES, _END_BYTES = 62, 1 << 14, 1 << 18


@dataclass(frozen=True)
class Job:
    """A slide to prepare; plain, so that it travels to another process."""

    path: Path
    case_id: str
    mpp: float
    default_mpp: float
    config: SlidesConfig
    cache: Path
    recipe: str
    """Digest of all that features depend on beside the slide; the folder of the cache."""

    @property
    def file(self) -> str:
        """Name of the feature file: of the slide, and of what it holds, wherever the slide lies."""
        key = f"{fingerprint(self.path)}|{self.mpp}|{self.default_mpp}"
        return f"{self.path.stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.h5"

    @property
    def target(self) -> Path:
        """Path of the feature file."""
        return self.cache / self.recipe / self.file


def fingerprint(path: Path) -> str:
    """SHA-256 of a slide's size and of samples spread over it, not of its name or place.

    A slide of gigabytes takes milliseconds. MIRAX keeps the pixels in a folder beside, whose files count by name
    and size.
    """
    stat = path.stat()
    return _fingerprint(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=65536)
def _fingerprint(path: Path, size: int, changed_ns: int) -> str:
    del changed_ns
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_END_BYTES))
        for place in np.linspace(_END_BYTES, max(_END_BYTES, size - _END_BYTES), _SAMPLES).astype(np.int64):
            file.seek(int(place))
            digest.update(file.read(_SAMPLE_BYTES))
        file.seek(max(0, size - _END_BYTES))
        digest.update(file.read())
    beside = path.with_suffix("")
    if path.suffix.lower() == ".mrxs" and beside.is_dir():
        for part in sorted(beside.iterdir()):
            digest.update(f"{part.name}|{part.stat().st_size}".encode())
    return digest.hexdigest()
