"""One slide from the scanner's file to tile features: thumbnail, mask, choice, each chosen tile read once."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from modalities.core.seeds import seed_of
from modalities.slides.backbones import backbone_of
from modalities.slides.bags import TileFeatures
from modalities.slides.config import SlidesConfig
from modalities.slides.nuclei.nuclei import CLASSES, nuclei_in, with_typical_stain
from modalities.slides.prepare.features import write_features
from modalities.slides.prepare.state import DONE, EXCLUDED, FAILED, SlideState
from modalities.slides.reading.files import CannotWriteError, write_whole
from modalities.slides.reading.reading import Slide, open_slide
from modalities.slides.tissue import quality
from modalities.slides.tissue.overview import overview
from modalities.slides.tissue.tiles import Tiles, choose_tiles, side_at_level0, tissue_tiles
from modalities.slides.tissue.tissue import tissue_mask

_BATCH = 64
_SAMPLES, _SAMPLE_BYTES, _END_BYTES = 62, 1 << 14, 1 << 18


@dataclass(frozen=True)
class Job:
    """A slide to prepare; plain, so that it travels to a worker process."""

    path: Path
    case_id: str
    mpp: float
    default_mpp: float
    config: SlidesConfig
    weights: str
    cache: Path

    @property
    def recipe(self) -> str:
        """Digest of all that features depend on beside the slide; the folder of the cache."""
        return self.config.digest(backbone_of(self.config, self.weights).digest)

    @property
    def file(self) -> str:
        """Name of the feature file: of the slide, and of what it holds, wherever the slide lies."""
        key = f"{fingerprint(self.path)}|{self.mpp}|{self.default_mpp}"
        return f"{self.path.stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.h5"

    @property
    def target(self) -> Path:
        """Path of the feature file."""
        return self.cache / self.recipe / self.file


def prepare_slide(job: Job) -> SlideState:
    """Prepare one slide and say what became of it; whatever is wrong with it stops no other.

    Raises:
        CannotWriteError: the cache takes no more files, which no other slide could change.
    """
    began = time.perf_counter()
    state, reason, cause, n_tiles, file = FAILED, "", "", 0, ""
    try:
        file = job.file
        with open_slide(job.path, job.mpp, job.default_mpp) as slide:
            found = _features_of(slide, job, fingerprint(job.path))
        if isinstance(found, quality.Unfit):
            state, reason, cause = EXCLUDED, str(found), found.cause
        else:
            write_features(job.target, found)
            state, n_tiles = DONE, len(found)
    except CannotWriteError:
        raise
    except Exception as error:  # of any library that a damaged file may bring down
        text = str(error).splitlines()[0] if str(error) else "no reason given"
        reason = text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
    seconds = round(time.perf_counter() - began, 2)
    return SlideState(job.path.stem, job.case_id, state, reason, n_tiles, seconds, job.recipe, file, cause)


def _features_of(slide: Slide, job: Job, digest: str) -> TileFeatures | quality.Unfit:
    """The chosen tiles' features, or why the slide is left out."""
    config = job.config
    problem = quality.problem_of_enlargement(slide.mpp, config)
    if problem:  # before anything is cut: a resolution that is wrong makes millions of tiles
        return problem
    thumbnail = slide.thumbnail(config.mask_px)
    mask, pen = tissue_mask(thumbnail, config)
    side0 = side_at_level0(config.tile_um, slide.mpp)
    tissue = tissue_tiles(mask, slide.width, slide.height, side0, config)
    chosen = choose_tiles(tissue, config.n_tiles, seed_of(config.seed, "tiles", digest))
    write_whole(job.target.with_suffix(".jpg"), overview(thumbnail, mask, chosen, slide.width))
    problem = quality.problem_of_overview(mask, pen, len(tissue.tissue), config)
    return problem or _encoded(slide, chosen, job)


def _encoded(slide: Slide, chosen: Tiles, job: Job) -> TileFeatures | quality.Unfit:
    config, encoder = job.config, backbone_of(job.config, job.weights)
    features, composition, sharpness, typical = [], [], [], None
    for pixels in _batches(slide, chosen, config.tile_px):
        sharpness += [quality.sharpness(tile) for tile in pixels]
        wanted = encoder.uses_nuclei or config.composition
        nuclei = [nuclei_in(tile, config.um_px) for tile in pixels] if wanted else []
        nuclei, typical = with_typical_stain(nuclei, typical)
        features.append(encoder.encode(pixels, nuclei))
        composition += [found.composition() for found in nuclei]
    problem = quality.problem_of_focus(sharpness, slide.mpp, config)
    if problem:
        return problem
    return TileFeatures(
        np.concatenate(features),
        chosen.coords,
        chosen.side0,
        slide.mpp,
        encoder.names,
        chosen.tissue,
        np.stack(composition) if config.composition else None,
        CLASSES if config.composition else (),
        (slide.width, slide.height),
        {"name": slide.path.stem, "backbone": encoder.name, "tile_px": str(config.tile_px), "recipe": job.recipe},
    )


def _batches(slide: Slide, chosen: Tiles, tile_px: int) -> Iterator[list[np.ndarray]]:
    """The tiles in row order, each read once."""
    for start in range(0, len(chosen.coords), _BATCH):
        yield [slide.tile(int(x), int(y), chosen.side0, tile_px) for x, y in chosen.coords[start : start + _BATCH]]


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
