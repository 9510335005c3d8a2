"""The parent's side of the processes that read slides."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any

import numpy as np

from modalities.slides.backbones.fitting import Fit
from modalities.slides.prepare.job import Job
from modalities.slides.prepare.reader import PLACES, TILES_A_PLACE, places_in, read_slides

_CONTEXT = multiprocessing.get_context("spawn")
_PATIENCE_S = 5.0


@dataclass(eq=False)
class Reader:
    """One process."""

    process: SpawnProcess
    messages: Connection
    places: np.ndarray

    def order(self, what: Job | int | None) -> None:
        """A slide to read, a place that is free again, or that there is no more; whether it lives shows elsewhere."""
        with suppress(OSError):
            self.messages.send(what)


class Bell:
    """Wakes the parent when something of its own is done."""

    def __init__(self) -> None:
        """Silent."""
        self.heard, self._rung = _CONTEXT.Pipe(duplex=False)

    def ring(self) -> None:
        """May be called from any thread."""
        self._rung.send_bytes(b".")

    def silence(self) -> None:
        """Until it rings again."""
        while self.heard.poll():
            self.heard.recv_bytes()

    def close(self) -> None:
        """It must not be rung any more."""
        self.heard.close()
        self._rung.close()


class Readers:
    """At most `n` processes, started as there are slides for them, each with its own part of memory.

    That memory has no name, so none is left behind, whoever is killed.
    """

    def __init__(self, jobs: deque[Job], n: int, fit: Fit | None) -> None:
        """They take their jobs from the deque."""
        self._jobs, self._n, self._fit = jobs, n, fit
        self._readers: deque[Reader] = deque()
        self._leaving: list[Reader] = []

    def __enter__(self) -> "Readers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all at once: what is half done leaves no file, and is done again the next time."""
        for reader in self._readers:
            reader.process.terminate()
        for reader in [*self._readers, *self._leaving]:
            _end(reader)

    @property
    def are_there(self) -> bool:
        """Whether any slide is being read, or will be."""
        return bool(self._readers or self._jobs)

    def start(self) -> Iterator[tuple[Reader, Job]]:
        """Start as many as there is work for, each with its slide."""
        while self._jobs and len(self._readers) < self._n:
            reader, job = self._started(), self._jobs.popleft()
            self._readers.append(reader)
            reader.order(job)
            yield reader, job

    def that_speak(self, bell: Bell, listen: bool) -> Iterator[Reader]:
        """Wait for a message, or the bell, and give the readers that have said something or are no more."""
        pipes = {reader.messages: reader for reader in self._readers} if listen else {}
        ready = connection.wait([bell.heard, *pipes])
        bell.silence()
        self._readers.rotate(1)  # where there is no room for all, not always the same ones wait
        yield from [pipes[pipe] for pipe in ready if isinstance(pipe, Connection) and pipe in pipes]

    def receive(self, reader: Reader) -> Any:
        """Its message; None: the process has ended unasked."""
        try:
            return reader.messages.recv()
        except (EOFError, OSError):
            self._readers.remove(reader)
            reader.process.kill()
            _end(reader)
            return None

    def go_on(self, reader: Reader) -> Job | None:
        """The next slide for it; without one it ends."""
        job = self._jobs.popleft() if self._jobs else None
        reader.order(job)
        if job is None:
            self._readers.remove(reader)
            self._leaving.append(reader)
        return job

    def _started(self) -> Reader:
        ours, theirs = _CONTEXT.Pipe()
        side = self._fit.pixels if self._fit else 0
        memory = _CONTEXT.RawArray("B", max(1, PLACES * TILES_A_PLACE * side * side * 3))
        process = _CONTEXT.Process(target=read_slides, args=(theirs, memory, self._fit), daemon=True)
        resource_tracker.ensure_running()  # else `start` does it, and unblocks what is blocked here
        signals = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # it is this process's to handle
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        theirs.close()  # so that its end is heard here
        return Reader(process, ours, places_in(memory, self._fit))


def _end(reader: Reader) -> None:
    reader.process.join(_PATIENCE_S)
    if reader.process.is_alive():
        reader.process.kill()
        reader.process.join()
    reader.messages.close()
