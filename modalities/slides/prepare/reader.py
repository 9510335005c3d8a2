"""A process that reads slides: it fills its own places in memory with fitted tiles, for the device to take.

It has no lock in common with any other, so that it can be killed at any time.
"""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import cv2
import numpy as np

from modalities.slides.backbones import backbone_of
from modalities.slides.backbones.fitting import Fit
from modalities.slides.nuclei.nuclei import Nuclei
from modalities.slides.prepare.job import Job
from modalities.slides.prepare.pace import FITTING, WAITING, Stopwatch
from modalities.slides.prepare.prepare import Failure, Seen, attempted, look_at, prepare_slide
from modalities.slides.prepare.state import SlideState
from modalities.slides.reading.files import CannotWriteError
from modalities.slides.tissue.quality import Unfit

PLACES, TILES_A_PLACE = 4, 32


class Filled(NamedTuple):
    """A place holds the next tiles of the slide."""

    place: int
    n_tiles: int
    spent: dict[str, float]


class Encoded(NamedTuple):
    """The reader encodes itself, and has done so with some more tiles."""

    n_tiles: int
    spent: dict[str, float]


class Ended(NamedTuple):
    """The slide is read to its end, or was given up."""

    found: Seen | Unfit | Failure | SlideState
    spent: dict[str, float]


def places_in(memory: Any, fit: Fit | None) -> np.ndarray:
    """The memory that both sides share, as [place, tile, side, side, 3]; without a network there is none."""
    side = fit.pixels if fit else 0
    shape = (PLACES, TILES_A_PLACE, side, side, 3)
    return np.frombuffer(memory, dtype=np.uint8, count=int(np.prod(shape))).reshape(shape)


def read_slides(orders: Connection, memory: Any, fit: Fit | None) -> None:
    """Read one slide after the other as the parent says; without a network to fit tiles to, encode them too."""
    _begin()
    with suppress(EOFError, BrokenPipeError):  # the parent is no more
        _read(_Reader(orders, places_in(memory, fit)), orders, fit)


def _read(reader: "_Reader", orders: Connection, fit: Fit | None) -> None:
    for job in reader.jobs():
        watch = Stopwatch()
        try:
            found = reader.filled(job, watch, fit) if fit else reader.encoded(job, watch)
        except CannotWriteError as error:
            orders.send(error)
            continue
        orders.send(Ended(found, watch.taken()))


class _Reader:
    def __init__(self, orders: Connection, places: np.ndarray) -> None:
        self._orders, self._places = orders, places
        self._free = list(range(PLACES))

    def jobs(self) -> Iterator[Job]:
        """Until the parent has no more; the parent also says which places are free again."""
        while (order := self._orders.recv()) is not None:
            if isinstance(order, Job):
                yield order
            else:
                self._free.append(order)

    def encoded(self, job: Job, watch: Stopwatch) -> SlideState:
        encoder = backbone_of(job.config)
        return prepare_slide(job, encoder, watch, lambda n_tiles: self._orders.send(Encoded(n_tiles, watch.taken())))

    def filled(self, job: Job, watch: Stopwatch, fit: Fit) -> Seen | Unfit | Failure:
        def fill(pixels: list[np.ndarray], nuclei: list[Nuclei]) -> None:
            del nuclei
            for start in range(0, len(pixels), TILES_A_PLACE):
                tiles = pixels[start : start + TILES_A_PLACE]
                with watch.on(WAITING):
                    place = self._free.pop() if self._free else self._orders.recv()
                with watch.on(FITTING):
                    self._places[place, : len(tiles)] = [fit(tile) for tile in tiles]
                self._orders.send(Filled(place, len(tiles), watch.taken()))

        return attempted(lambda: look_at(job, False, watch, fill))


def _begin() -> None:
    """One thread a reader, which does not outlive its parent."""
    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
