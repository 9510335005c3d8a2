"""Slides prepared side by side: processes read, one network encodes, and each slide is written as it completes.

Readers (decode, sharpness, nuclei) fill places in memory that they share with this process; it sends batches to the
device and writes. Whatever is full makes those before it wait, so memory is bounded. A slide is there whole or not at
all, whatever happens to any process.
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import numpy as np

from modalities.slides.backbones import Backbone, Network
from modalities.slides.backbones.fitting import Fit
from modalities.slides.nuclei.nuclei import Nuclei
from modalities.slides.prepare.encoding import Encoding, Underway
from modalities.slides.prepare.job import Job
from modalities.slides.prepare.pace import FITTING, WAITING, Pace, Stopwatch
from modalities.slides.prepare.prepare import Failure, Seen, attempted, look_at, prepare_slide, settled
from modalities.slides.prepare.reader import TILES_A_PLACE, Encoded, Ended, Filled
from modalities.slides.prepare.readers import Bell, Reader, Readers
from modalities.slides.prepare.state import FAILED, SlideState
from modalities.slides.reading.files import CannotWriteError
from modalities.slides.tissue.quality import Unfit

_MOST_UNWRITTEN = 4
Outcome = tuple[Job, SlideState]


def prepare_all(jobs: Sequence[Job], workers: int, backbone: Backbone, pace: Pace) -> Iterator[Outcome]:
    """Each job and what became of it, as they get done; no other process for fewer than two workers.

    A slide that brings its process down (a damaged file, too little memory) is tried again when all others are done,
    alone, and then fails.

    Raises:
        CannotWriteError: the cache takes no more files.
    """
    if workers < 2:
        yield from _one_by_one(jobs, backbone, pace)
        return
    for suspect in (yield from _Pipeline(jobs, workers, backbone, pace).outcomes()):
        if (yield from _Pipeline([suspect], 1, backbone, pace).outcomes()):
            yield suspect, _broke(suspect)


def _one_by_one(jobs: Sequence[Job], backbone: Backbone, pace: Pace) -> Iterator[Outcome]:
    watch = Stopwatch()

    def tell(n_tiles: int) -> None:
        pace.spent(watch.taken())
        pace.encoded(n_tiles)

    if not isinstance(backbone, Network):
        yield from ((job, prepare_slide(job, backbone, watch, tell)) for job in jobs)
        return
    with Encoding(backbone, 1, pace) as encoding:
        for job in jobs:
            slide = Underway(job)
            each = partial(_fitted, slide, encoding, backbone.fit, watch)
            slide.read(attempted(partial(look_at, job, False, watch, each)))
            encoding.drain()
            pace.spent(watch.taken())
            yield job, settled(job, slide.features(backbone), slide.began)


def _fitted(
    slide: Underway, encoding: Encoding, fit: Fit, watch: Stopwatch, pixels: list[np.ndarray], nuclei: list[Nuclei]
) -> None:
    """What a reader does with tiles, in this process."""
    del nuclei
    for start in range(0, len(pixels), TILES_A_PLACE):
        with watch.on(FITTING):
            tiles = np.stack([fit(tile) for tile in pixels[start : start + TILES_A_PLACE]])
        with watch.on(WAITING):
            while not encoding.has_room:
                encoding.wait()
        encoding.add(slide, tiles)
        encoding.flush_if_idle()


class _Pipeline:
    """One run over some slides."""

    def __init__(self, jobs: Sequence[Job], workers: int, backbone: Backbone, pace: Pace) -> None:
        self._pace, self._bell = pace, Bell()
        self._network = backbone if isinstance(backbone, Network) else None
        self._readers = Readers(deque(jobs), workers, self._network.fit if self._network else None)
        self._encoding = Encoding(self._network, workers, pace, self._bell.ring) if self._network else None
        self._writer = ThreadPoolExecutor(1)
        self._read_by: dict[Reader, Underway] = {}
        self._incomplete: dict[Underway, None] = {}
        self._writing: dict[Future[SlideState], Job] = {}
        self._suspects: list[Job] = []

    def outcomes(self) -> Generator[Outcome, None, list[Job]]:
        """Work until nothing is left; returns the slides whose readers ended unasked."""
        with ExitStack() as ends:
            ends.callback(self._bell.close)
            ends.callback(self._writer.shutdown, wait=True, cancel_futures=True)
            if self._encoding:
                ends.enter_context(self._encoding)
            ends.enter_context(self._readers)
            while self._readers.are_there or self._incomplete or self._writing:
                yield from self._step()
        return self._suspects

    @property
    def _has_room(self) -> bool:
        return len(self._writing) < _MOST_UNWRITTEN and (self._encoding is None or self._encoding.has_room)

    def _step(self) -> Iterator[Outcome]:
        for reader, job in self._readers.start():
            self._begin(reader, job)
        if self._encoding:
            self._encoding.flush_if_idle()
        for reader in self._readers.that_speak(self._bell, self._has_room):
            if self._has_room:
                yield from self._hear(reader)
        if self._encoding:
            for slide in self._encoding.collect():
                self._write_if_whole(slide)
        for future in [future for future in self._writing if future.done()]:
            yield self._writing.pop(future), future.result()

    def _begin(self, reader: Reader, job: Job | None) -> None:
        if job:
            self._read_by[reader] = Underway(job)
            self._incomplete[self._read_by[reader]] = None

    def _hear(self, reader: Reader) -> Iterator[Outcome]:
        slide, message = self._read_by[reader], self._readers.receive(reader)
        if isinstance(message, CannotWriteError):
            raise message
        if message is None:
            del self._read_by[reader], self._incomplete[slide]
            self._suspects.append(slide.job)
            return
        self._pace.spent(message.spent)
        if isinstance(message, Filled) and self._encoding:
            self._encoding.add(slide, reader.places[message.place, : message.n_tiles])
            reader.order(message.place)
        elif isinstance(message, Encoded):
            self._pace.encoded(message.n_tiles)
        elif isinstance(message, Ended):
            del self._read_by[reader]
            self._begin(reader, self._readers.go_on(reader))
            yield from self._read(slide, message.found)

    def _read(self, slide: Underway, found: Seen | Unfit | Failure | SlideState) -> Iterator[Outcome]:
        """The slide was read to its end."""
        if isinstance(found, SlideState):
            del self._incomplete[slide]
            yield slide.job, found
        else:
            slide.read(found)
            self._write_if_whole(slide)

    def _write_if_whole(self, slide: Underway) -> None:
        if self._network and slide in self._incomplete and slide.is_whole:
            del self._incomplete[slide]
            future = self._writer.submit(_written, slide, self._network)
            self._writing[future] = slide.job
            future.add_done_callback(lambda _: self._bell.ring())


def _written(slide: Underway, network: Network) -> SlideState:
    return settled(slide.job, slide.features(network), slide.began)


def _broke(job: Job) -> SlideState:
    reason = f"{job.path.name}: reading it ended the process: the slide is damaged, or memory is too small for it"
    return SlideState(job.path.stem, job.case_id, FAILED, reason, recipe=job.recipe, file=job.file)
