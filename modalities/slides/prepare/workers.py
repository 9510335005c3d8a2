"""Slides prepared by several processes: each slide whole or not at all, whatever happens to the process."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection

import cv2

from modalities.slides.prepare.prepare import Job, prepare_slide
from modalities.slides.prepare.state import FAILED, SlideState


def prepare_all(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, SlideState]]:
    """Each job and what became of it, as they get done; in this process for fewer than two workers.

    A slide that brings its process down (a damaged file, too little memory) fails alone: those that were at work
    beside it are prepared again.

    Raises:
        CannotWriteError: the cache takes no more files.
    """
    if workers < 2:
        yield from ((job, prepare_slide(job)) for job in jobs)
        return
    waiting = deque(jobs)
    while waiting:
        for suspect in (yield from _until_one_breaks(waiting, workers)):
            alone = deque([suspect])
            if (yield from _until_one_breaks(alone, 1)):
                yield suspect, _broke(suspect)


def _until_one_breaks(waiting: deque[Job], workers: int) -> Generator[tuple[Job, SlideState], None, list[Job]]:
    """Work until nothing waits, or a process ended unasked: then the jobs that were at work."""
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)
    running: dict[Future[SlideState], Job] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running[pool.submit(prepare_slide, waiting[0])] = waiting[0]
                waiting.popleft()  # not before: a pool that broke meanwhile takes no job
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                state = future.result()
                yield running.pop(future), state
    except BrokenProcessPool:
        return list(running.values())
    finally:
        _end(pool)
    return []


def _end(pool: ProcessPoolExecutor) -> None:
    """Stop now: what is half done leaves no file, and is done again the next time."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


def _broke(job: Job) -> SlideState:
    reason = f"{job.path.name}: reading it ended the process: the slide is damaged, or memory is too small for it"
    return SlideState(job.path.stem, job.case_id, FAILED, reason, recipe=job.recipe, file=job.file)


def _begin() -> None:
    """One thread a worker; an interrupt is the parent's to handle, and a worker does not outlive it."""
    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # for torch, which only backbones that are networks import
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
