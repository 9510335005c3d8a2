"""A site's slides as cases: what was prepared before, what is prepared now, and features that a site has already."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from modalities.core.contract import Source
from modalities.core.files.atomic import remove_parts
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import ProblemsError, problems_of, unusable
from modalities.core.seeds import seed_of
from modalities.slides.backbones import Backbone, backbone_of
from modalities.slides.bags import SlideTiles, TileFeatures, TileFile
from modalities.slides.config import SlidesConfig
from modalities.slides.features.arrays import NoTilesError
from modalities.slides.features.outline import outline_of, tiles_in
from modalities.slides.features.stores import table_in
from modalities.slides.nuclei.composition import read_composition, with_composition
from modalities.slides.prepare.job import Job
from modalities.slides.prepare.pace import Pace
from modalities.slides.prepare.pipeline import prepare_all
from modalities.slides.prepare.state import DONE, EXCLUDED, FAILED, SlideState
from modalities.slides.prepare.tables import Shard, States
from modalities.slides.reading.manifest import Listed, case_of_name, composition_tables, listed_files
from modalities.slides.tissue.tiles import along_curve, most_tissue

_UNREAD = "slides that could not be read"
_NO_TILE = "no tile"
_log = logging.getLogger(__name__)


def cache_of(source: Source) -> Path:
    """Folder of all that is made of the source's slides."""
    if source.slides.cache:
        return Path(source.slides.cache)
    return source.paths[0].parent / ".tessera" / "slides"


def prepare_slides(
    listed: Sequence[Listed],
    source: Source,
    config: SlidesConfig,
    workers: int = 0,
    retry: bool = False,
    pace: Pace | None = None,
    shard: Shard | None = None,
) -> Iterator[tuple[Listed, SlideState]]:
    """Every listed file and what became of it; those that need no work first, the others as they get done.

    What was prepared under the same recipe stays; so does what failed, unless `retry` is set. The table of states is
    kept up to date all along. Of a shard only its part, with a table of its own.

    Raises:
        CannotWriteError: the cache takes no more files.
        ValueError: the backbone cannot be had.
    """
    states = States(cache_of(source), shard)
    known = {(state.recipe, state.file): state for state in states.before if not (retry and state.state == FAILED)}
    jobs: dict[Path, tuple[Listed, Job]] = {}
    for entry in shard.of_slides(listed) if shard else listed:
        state = _left_out(entry, source, config)
        if state is None:
            job = _job(entry, source, config)
            state = _settled(job, known)
            jobs |= {} if state else {entry.path: (entry, job)}
        if state:
            state = replace(state, slide=entry.slide)
            states.add(state)
            yield entry, state
    if jobs:
        _log.info("%d slides to prepare; `tessera-client prepare` does it ahead of a study", len(jobs))
        if not shard:  # other machines may be at work on theirs, whose processes are not seen from here
            remove_parts(states.cache)
        yield from _prepared(jobs, _backbone(source, config), states, workers, pace or Pace())
    states.settle()


def _prepared(
    jobs: Mapping[Path, tuple[Listed, Job]], backbone: Backbone, states: States, workers: int, pace: Pace
) -> Iterator[tuple[Listed, SlideState]]:
    try:
        for job, made in prepare_all([job for _, job in jobs.values()], workers, backbone, pace):
            entry = jobs[job.path][0]
            state = replace(made, slide=entry.slide)  # a DICOM slide is not called after its file
            states.add(state)
            states.write_now_and_then()
            yield entry, state
        states.write()
    finally:
        states.settle()  # also what was done before an interrupt


def slides_by_case(
    source: Source, config: SlidesConfig, notes: Counter[str], only: str | None = None
) -> Iterator[tuple[str, tuple[SlideTiles, ...]]]:
    """See `modalities.slides.reading.source.read_case_by_case`."""
    tables, reasons = _tables(source), list[str]()
    held, alone = _done(source, config, tables, notes, reasons)
    some = False
    for case_id in sorted({*held, *alone} if only is None else {only} & {*held, *alone}):
        slides = list[SlideTiles]()
        for entry, path in held.get(case_id, ()):
            try:
                tiles = _tiles_of(entry, path, source, tables)
            except ValueError as error:
                notes[_left_out_for(_NO_TILE) if isinstance(error, NoTilesError) else _UNREAD] += 1
                reasons.append(str(error))
                alone.setdefault(case_id, []).extend({entry.slide} & {*tables})
            else:
                slides.append(SlideTiles(case_id, entry.slide, tiles, TileFile(str(path), len(tiles))))
        slides += [SlideTiles(case_id, slide, tables[slide]) for slide in alone.get(case_id, ())]
        if slides:
            some = True
            yield case_id, _most_tissue_rich(slides, config)
    if not some and only is None:
        raise unusable(f"no slide could be used: {listing(reasons)}")


def _done(
    source: Source, config: SlidesConfig, tables: Mapping[str, TileFeatures], notes: Counter[str], reasons: list[str]
) -> tuple[dict[str, list[tuple[Listed, Path]]], dict[str, list[str]]]:
    """By case, the slides with their features, and those that the site has only the table of; what is not, is noted.

    The site's own feature files are not looked into: that they are damaged shows when the case is read.
    """
    listed = listed_files(source)
    owners = {entry.slide: entry.case_id for entry in listed}
    files = [entry for entry in listed if entry.is_there or entry.slide not in tables]
    done = [(entry, features_in(entry, source)) for entry in files if _is_ready(entry)]
    others = [entry for entry in files if not _is_ready(entry)]
    for entry, state in sorted(prepare_slides(others, source, config), key=lambda pair: str(pair[0].path)):
        if state.state == DONE:
            done.append((entry, file_of(entry, state, source)))
        else:
            notes[_UNREAD if state.state == FAILED else _left_out_for(state.cause)] += 1
            reasons.append(state.reason)
    held: dict[str, list[tuple[Listed, Path]]] = {}
    for entry, path in sorted(done, key=lambda pair: str(pair[0].path)):
        held.setdefault(entry.case_id, []).append((entry, path))
    used = {entry.slide for entry, _ in done}
    alone: dict[str, list[str]] = {}
    for slide in tables:
        case_id = owners.get(slide) or case_of_name(slide)
        if slide not in used and case_id is not None:
            alone.setdefault(source.called(case_id), []).append(slide)
    return held, alone


def _is_ready(entry: Listed) -> bool:
    return entry.is_features and entry.is_there and not entry.left_out


def _tables(source: Source) -> dict[str, TileFeatures]:
    found = [read_composition(path, source) for path in composition_tables(source)]
    return {slide: tiles for table in found for slide, tiles in table.items()}


def _backbone(source: Source, config: SlidesConfig) -> Backbone:
    return backbone_of(config, source.slides.weights, source.device)


def _job(entry: Listed, source: Source, config: SlidesConfig) -> Job:
    recipe = config.digest(_backbone(source, config).digest)
    return Job(entry.path, entry.case_id, entry.mpp, source.slides.default_mpp, config, cache_of(source), recipe)


def _left_out(entry: Listed, source: Source, config: SlidesConfig) -> SlideState | None:
    """The state of a file that is not a slide to prepare; no backbone is loaded for it."""

    def state(what: str, reason: str = "", n_tiles: int = 0, cause: str = "") -> SlideState:
        place = (config.digest(), entry.path.name)
        return SlideState(entry.slide, entry.case_id, what, reason, n_tiles, 0.0, *place, cause)

    if entry.is_unreadable:
        return state(FAILED, f"{entry.path.name}: {entry.left_out}")
    if entry.left_out:
        return state(EXCLUDED, entry.left_out, cause=entry.left_out)
    if not entry.is_features:
        return None
    try:
        return state(DONE, n_tiles=outline_of(features_in(entry, source)).n_tiles)
    except NoTilesError as error:
        return state(EXCLUDED, str(error), cause=_NO_TILE)
    except ValueError as error:
        return state(FAILED, str(error))


def _left_out_for(cause: str) -> str:
    return f"slides left out ({cause})"


def _settled(job: Job, known: Mapping[tuple[str, str], SlideState]) -> SlideState | None:
    """What became of the slide before, under this recipe; None: it is to be prepared."""
    try:
        state = known.get((job.recipe, job.file))
        if state is not None and state.state != DONE:
            return replace(state, case_id=job.case_id)
        n_tiles = outline_of(job.target).n_tiles if job.target.is_file() else 0
    except (OSError, ValueError):  # the slide cannot be opened, or its features were damaged since
        return None
    if not n_tiles:
        return None
    seconds = state.seconds if state else 0.0
    return SlideState(job.path.stem, job.case_id, DONE, "", n_tiles, seconds, job.recipe, job.file)


def file_of(entry: Listed, state: SlideState, source: Source) -> Path:
    """Where the features of a slide that is done, or is features already, lie."""
    return features_in(entry, source) if entry.is_features else cache_of(source) / state.recipe / state.file


def features_in(entry: Listed, source: Source) -> Path:
    """A feature file, or the table of a store that site.yaml names by `columns: {features: ...}`."""
    return table_in(entry.path, source.columns.get("features", ""))


def _tiles_of(entry: Listed, path: Path, source: Source, tables: dict[str, TileFeatures]) -> TileFeatures:
    tiles = tiles_in(path)
    if entry.is_features:
        tiles = tiles.at_level0(entry.mpp, source.slides.default_mpp)
    table = tables.pop(entry.slide, None)
    if table is None:
        return tiles
    try:
        return with_composition(tiles, table)
    except ValueError as error:
        raise ProblemsError(*problems_of(error, file=entry.slide)) from None


def _most_tissue_rich(slides: Sequence[SlideTiles], config: SlidesConfig) -> tuple[SlideTiles, ...]:
    """At most n_tiles over all slides of a case; features that came as they are stay as they are."""
    chosen = [(slide, slide.tiles.tissue, slide.tiles.coords) for slide in slides]
    ours = [(slide, tissue, coords) for slide, tissue, coords in chosen if tissue is not None and coords is not None]
    total = sum(len(tissue) for _, tissue, _ in ours)
    if not config.n_tiles or total <= config.n_tiles:
        return tuple(slides)
    tissue = np.concatenate([tissue for _, tissue, _ in ours])
    number = np.repeat(np.arange(len(ours)), [len(tissue) for _, tissue, _ in ours])
    places = [along_curve(coords // max(1, slide.tiles.side0)) for slide, _, coords in ours]
    place = np.concatenate(places) + (number << 48)
    rows = most_tissue(tissue, place, config.n_tiles, seed_of(config.seed, "case", total))
    first = np.concatenate([[0], np.cumsum([len(tissue) for _, tissue, _ in ours])])
    kept = [rows[number[rows] == index] - first[index] for index in range(len(ours))]
    limited = {id(slide): own for (slide, _, _), own in zip(ours, kept, strict=True)}
    found = [slide.select(limited[id(slide)]) if id(slide) in limited else slide for slide in slides]
    return tuple(slide for slide in found if len(slide.tiles))
