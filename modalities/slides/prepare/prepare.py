"""One slide from the scanner's file to tile features: thumbnail, mask, choice, each chosen tile read once."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from modalities.core.seeds import seed_of
from modalities.slides.backbones import Backbone
from modalities.slides.bags import TileFeatures
from modalities.slides.nuclei.nuclei import CLASSES, Nuclei, nuclei_in, with_typical_stain
from modalities.slides.prepare.features import write_features
from modalities.slides.prepare.job import Job, fingerprint
from modalities.slides.prepare.pace import ENCODING, LOOKING, READING, Stopwatch
from modalities.slides.prepare.state import DONE, EXCLUDED, FAILED, SlideState
from modalities.slides.reading.files import CannotWriteError, write_whole
from modalities.slides.reading.reading import Slide, open_slide
from modalities.slides.tissue import quality
from modalities.slides.tissue.overview import overview
from modalities.slides.tissue.tiles import Tiles, choose_tiles, side_at_level0, tissue_tiles
from modalities.slides.tissue.tissue import tissue_mask

_BATCH = 64
_T = TypeVar("_T")
Each = Callable[[list[np.ndarray], list[Nuclei]], None]
"""What is done with a batch of tiles and their nuclei."""


@dataclass(frozen=True)
class Seen:
    """What a slide's tiles are, all but their features."""

    tiles: Tiles
    mpp: float
    size0: tuple[int, int]
    composition: np.ndarray | None

    def with_features(self, rows: Sequence[np.ndarray], encoder: Backbone, job: Job) -> TileFeatures:
        """The tiles with their features, which come in parts."""
        about = {"backbone": encoder.name, "tile_px": str(job.config.tile_px), "recipe": job.recipe}
        return TileFeatures(
            np.concatenate(rows),
            self.tiles.coords,
            self.tiles.side0,
            self.mpp,
            encoder.names,
            self.tiles.tissue,
            self.composition,
            () if self.composition is None else CLASSES,
            self.size0,
            {"name": job.path.stem, **about},
        )


class Failure(NamedTuple):
    """Why a slide could not be prepared."""

    reason: str


def prepare_slide(job: Job, encoder: Backbone, watch: Stopwatch, tell: Callable[[int], None]) -> SlideState:
    """Prepare one slide and say what became of it; whatever is wrong with it stops no other.

    `tell` is given the number of tiles that were encoded, batch by batch.

    Raises:
        CannotWriteError: the cache takes no more files, which no other slide could change.
    """
    rows: list[np.ndarray] = []
    began = time.perf_counter()

    def encode(pixels: list[np.ndarray], nuclei: list[Nuclei]) -> None:
        with watch.on(ENCODING):
            rows.append(encoder.encode(pixels, nuclei))
        tell(len(pixels))

    def features() -> TileFeatures | quality.Unfit:
        seen = look_at(job, encoder.uses_nuclei, watch, encode)
        return seen.with_features(rows, encoder, job) if isinstance(seen, Seen) else seen

    return settled(job, attempted(features), began)


def attempted(work: Callable[[], _T]) -> _T | Failure:
    """What the work gives, or why it failed.

    Raises:
        CannotWriteError: the cache takes no more files.
    """
    try:
        return work()
    except CannotWriteError:
        raise
    except Exception as error:  # of any library that a damaged file may bring down
        text = str(error).splitlines()[0] if str(error) else "no reason given"
        return Failure(text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}")


def settled(job: Job, found: TileFeatures | quality.Unfit | Failure, began: float) -> SlideState:
    """What became of the slide; features are written.

    Raises:
        CannotWriteError: the cache takes no more files.
    """
    if isinstance(found, TileFeatures):
        tiles = found
        found = attempted(lambda: write_features(job.target, tiles) or tiles)
    state, reason, cause, n_tiles = DONE, "", "", 0
    if isinstance(found, Failure):
        state, reason = FAILED, found.reason
    elif isinstance(found, quality.Unfit):
        state, reason, cause = EXCLUDED, str(found), found.cause
    else:
        n_tiles = len(found)
    file = attempted(lambda: job.file)
    name = file if isinstance(file, str) else ""
    seconds = round(time.perf_counter() - began, 2)
    return SlideState(job.path.stem, job.case_id, state, reason, n_tiles, seconds, job.recipe, name, cause)


def look_at(job: Job, with_nuclei: bool, watch: Stopwatch, each: Each) -> Seen | quality.Unfit:
    """The chosen tiles, each batch of them given to `each`; or why the slide is left out.

    `with_nuclei` finds them also where no composition is asked for.
    """
    with open_slide(job.path, job.mpp, job.default_mpp) as slide:
        with watch.on(READING):
            chosen = _chosen(slide, job)
        if isinstance(chosen, quality.Unfit):
            return chosen
        return _looked_at(slide, chosen, job, with_nuclei or job.config.composition, watch, each)


def _chosen(slide: Slide, job: Job) -> Tiles | quality.Unfit:
    config = job.config
    problem = quality.problem_of_enlargement(slide.mpp, config)
    if problem:  # before anything is cut: a resolution that is wrong makes millions of tiles
        return problem
    thumbnail = slide.thumbnail(config.mask_px)
    mask, pen = tissue_mask(thumbnail, config)
    side0 = side_at_level0(config.tile_um, slide.mpp)
    tissue = tissue_tiles(mask, slide.width, slide.height, side0, config)
    chosen = choose_tiles(tissue, config.n_tiles, seed_of(config.seed, "tiles", fingerprint(job.path)))
    write_whole(job.target.with_suffix(".jpg"), overview(thumbnail, mask, chosen, slide.width))
    return quality.problem_of_overview(mask, pen, len(tissue.tissue), config) or chosen


def _looked_at(
    slide: Slide, chosen: Tiles, job: Job, with_nuclei: bool, watch: Stopwatch, each: Each
) -> Seen | quality.Unfit:
    config = job.config
    composition, sharpness, typical = [], [], None
    for places in _batches(chosen):
        with watch.on(READING):
            pixels = [slide.tile(int(x), int(y), chosen.side0, config.tile_px) for x, y in places]
        with watch.on(LOOKING):
            sharpness += [quality.sharpness(tile) for tile in pixels]
            nuclei = [nuclei_in(tile, config.um_px) for tile in pixels] if with_nuclei else []
            nuclei, typical = with_typical_stain(nuclei, typical)
            composition += [found.composition() for found in nuclei]
        each(pixels, nuclei)
    problem = quality.problem_of_focus(sharpness, slide.mpp, config)
    counts = np.stack(composition) if config.composition else None
    return problem or Seen(chosen, slide.mpp, (slide.width, slide.height), counts)


def _batches(chosen: Tiles) -> Iterator[np.ndarray]:
    """Places of the tiles in row order."""
    for start in range(0, len(chosen.coords), _BATCH):
        yield chosen.coords[start : start + _BATCH]
