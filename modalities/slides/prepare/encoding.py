"""Batches on their way through a network: filled here, encoded in lanes beside each other, back to their slides."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np

from modalities.slides.backbones import Network
from modalities.slides.backbones.backbone import Lane
from modalities.slides.bags import TileFeatures
from modalities.slides.prepare.job import Job
from modalities.slides.prepare.pace import Pace
from modalities.slides.prepare.prepare import Failure, Seen, attempted
from modalities.slides.prepare.reader import TILES_A_PLACE
from modalities.slides.tissue.quality import Unfit

_UNREAD = Failure("it was not read to its end")
_GPU_TILES = 256
_GPU_LANES = 2  # one computes, and the other copies and waits its turn


@dataclass(eq=False)
class Underway:
    """A slide between the reading of its first tile and the writing of its features."""

    job: Job
    began: float = field(default_factory=time.perf_counter)
    rows: list[np.ndarray | Failure | None] = field(default_factory=list)
    """Features, by the order in which the tiles were read; None: not yet encoded."""
    found: Seen | Unfit | Failure = _UNREAD
    is_read: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is on its way any more."""
        return self.is_read and not any(row is None for row in self.rows)

    def read(self, found: Seen | Unfit | Failure) -> None:
        """To its end, or as far as it can be read."""
        self.found, self.is_read = found, True

    def features(self, encoder: Network) -> TileFeatures | Unfit | Failure:
        """Of a slide that is whole."""
        failed = [row for row in self.rows if isinstance(row, Failure)]
        rows = [row for row in self.rows if isinstance(row, np.ndarray)]
        if failed:
            return failed[0]
        return self.found.with_features(rows, encoder, self.job) if isinstance(self.found, Seen) else self.found


@dataclass(eq=False)
class _Batch:
    lane: Lane
    n_tiles: int = 0
    parts: list[tuple[Underway, int, int]] = field(default_factory=list)
    """Slide, part of the slide, tiles."""


class Encoding:
    """A network at work.

    On a CPU a batch holds tiles of one slide as they were read, so that its features are the same to the bit whatever
    is prepared beside it; a GPU's batches are large, and hold tiles of many slides.
    """

    def __init__(self, network: Network, workers: int, pace: Pace, ring: Callable[[], None] = lambda: None) -> None:
        """`ring` is called, from other threads, when a batch is done; a CPU computes in as many lanes as workers."""
        self._network, self._pace, self._ring = network, pace, ring
        self._mixes = not network.on_cpu
        self._capacity = _GPU_TILES if self._mixes else TILES_A_PLACE
        n_lanes = _GPU_LANES if self._mixes else workers if workers > 1 else network.n_threads
        self._busy = _Busy(pace, 1 if self._mixes else n_lanes)
        self._free = [network.lane(self._capacity) for _ in range(n_lanes + 1)]  # one more is filled meanwhile
        self._filling: _Batch | None = None
        self._running: dict[Future[np.ndarray], _Batch] = {}
        self._threads = ThreadPoolExecutor(n_lanes)
        self._ends = ExitStack()

    def __enter__(self) -> "Encoding":
        self._ends.callback(self._threads.shutdown, wait=True, cancel_futures=True)
        self._ends.enter_context(self._network.at_work())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    @property
    def has_room(self) -> bool:
        """Whether `add` may be called."""
        filled = self._filling.n_tiles if self._filling else self._capacity
        return bool(self._free) or filled + TILES_A_PLACE <= self._capacity

    def add(self, slide: Underway, pixels: np.ndarray) -> None:
        """Take over the next fitted tiles of a slide, at most TILES_A_PLACE; they are copied."""
        if self._filling and self._filling.n_tiles + len(pixels) > self._capacity:
            self.flush()
        batch = self._filling = self._filling or _Batch(self._free.pop())
        batch.lane.pixels[batch.n_tiles : batch.n_tiles + len(pixels)] = pixels
        batch.n_tiles += len(pixels)
        batch.parts.append((slide, len(slide.rows), len(pixels)))
        slide.rows.append(None)
        if not self._mixes or batch.n_tiles == self._capacity:
            self.flush()

    def flush(self) -> None:
        """Send off the batch that is not full."""
        if self._filling:
            batch, self._filling = self._filling, None
            future = self._threads.submit(self._busy.while_running, batch.lane, batch.n_tiles)
            self._running[future] = batch
            future.add_done_callback(lambda _: self._ring())

    def flush_if_idle(self) -> None:
        """The same where the device has nothing to do."""
        if not self._running:
            self.flush()

    def collect(self) -> list[Underway]:
        """Give the features that are there to their slides, and say which slides got some."""
        got: dict[Underway, None] = {}
        for future in [future for future in self._running if future.done()]:
            batch = self._running.pop(future)
            rows = attempted(future.result)
            begin = 0
            for slide, part, n_tiles in batch.parts:
                slide.rows[part] = rows if isinstance(rows, Failure) else rows[begin : begin + n_tiles]
                begin += n_tiles
                got[slide] = None
            self._free.append(batch.lane)
            self._pace.encoded(batch.n_tiles)
        return list(got)

    def wait(self) -> None:
        """Until a batch is done; collects it."""
        self.flush_if_idle()
        wait(self._running, return_when=FIRST_COMPLETED)
        self.collect()

    def drain(self) -> None:
        """Until nothing is on its way any more."""
        self.flush()
        while self._running:
            self.wait()


class _Busy:
    """Keeps time of how much of the device works."""

    def __init__(self, pace: Pace, most: int) -> None:
        self._pace, self._most = pace, most
        self._lock, self._n_running, self._changed = threading.Lock(), 0, 0.0

    def while_running(self, lane: Lane, n_tiles: int) -> np.ndarray:
        self._change(1)
        try:
            return lane.features(n_tiles)
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        with self._lock:
            now = time.perf_counter()
            if self._changed:
                self._pace.device(now - self._changed, min(1.0, self._n_running / self._most))
            self._changed, self._n_running = now, self._n_running + by
