"""What is to be prepared, and where its features go."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from modalities.slides.config import SlidesConfig
from modalities.slides.reading.dicom import is_dicom, slide_images

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

    A slide of gigabytes takes milliseconds. Of DICOM every file with a level counts, from its frames on: what names
    the patient does not. MIRAX keeps the pixels in a folder beside, whose files count by name and size.
    """
    images = [(image.path, image.begin) for image in slide_images(path)] if is_dicom(path) else [(path, 0)]
    stats = [(file, file.stat(), begin) for file, begin in images]
    parts = sorted(_fingerprint(file, stat.st_size, stat.st_mtime_ns, begin) for file, stat, begin in stats)
    return parts[0] if len(parts) == 1 else hashlib.sha256("|".join(parts).encode()).hexdigest()


@lru_cache(maxsize=65536)
def _fingerprint(path: Path, size: int, changed_ns: int, begin: int) -> str:
    """Of the file from a place on."""
    del changed_ns
    digest = hashlib.sha256(str(size - begin).encode())
    with path.open("rb") as file:
        file.seek(begin)
        digest.update(file.read(_END_BYTES))
        first = begin + _END_BYTES
        for place in np.linspace(first, max(first, size - _END_BYTES), _SAMPLES).astype(np.int64):
            file.seek(int(place))
            digest.update(file.read(_SAMPLE_BYTES))
        file.seek(max(begin, size - _END_BYTES))
        digest.update(file.read())
    beside = path.with_suffix("")
    if path.suffix.lower() == ".mrxs" and beside.is_dir():
        for part in sorted(beside.iterdir()):
            digest.update(f"{part.name}|{part.stat().st_size}".encode())
    return digest.hexdigest()
