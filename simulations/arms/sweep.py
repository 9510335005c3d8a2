"""Runs every arm on every outer fold, side by side; what is finished stays finished when it is stopped."""

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from modalities.core.console import progress_of
from modalities.core.device import GPU
from modalities.core.fields import AUTO
from modalities.core.files.atomic import replacing, write_atomically
from simulations.arms.arms import ARM_NAMES, Fold, run_arm
from simulations.engines.cluster import run_on_cluster
from simulations.engines.machine import see_one_gpu

_SHARE_OF_GPU = 0.25
"""Of a cluster's, where GPUs are asked for: so many jobs share one."""


@dataclass(frozen=True)
class Job:
    """One arm on one fold."""

    arm: str
    fold: Fold

    @property
    def predictions(self) -> Path:
        """Where the predictions go."""
        return self.fold.folder / f"{self.arm}.parquet"

    @property
    def heads(self) -> Path:
        """Where the predictions of the heads that are compared go."""
        return self.fold.folder / f"{self.arm}.heads.parquet"

    @property
    def details(self) -> Path:
        """Where the rest goes; written last, so it also says that the job is done."""
        return self.fold.folder / f"{self.arm}.json"


def run_job(job: Job) -> Job:
    """Run the arm and keep its result."""
    result = run_arm(job.arm, job.fold)
    for path, table in ((job.predictions, result.predictions), (job.heads, result.heads)):
        if table is not None:
            with replacing(path) as beside:
                table.to_parquet(beside)
    write_atomically(job.details, json.dumps(result.details).encode())
    return job


def sweep(folds: Sequence[Fold], workers: int | str, console: Console, arms: Sequence[str] = ARM_NAMES) -> None:
    """Every arm of every fold that is not done yet, longest first; by so many processes, or a cluster of Ray's.

    Raises:
        ValueError: the cluster that `workers` names cannot be used.
        KeyboardInterrupt: stopped by hand; the same command goes on from there.
    """
    jobs = [Job(arm, fold) for arm in arms for fold in folds]
    waiting = [job for job in jobs if not job.details.is_file()]
    with progress_of(console) as progress:
        bar = progress.add_task("arms", total=len(jobs), completed=len(jobs) - len(waiting))
        for done in _finished(waiting, workers):
            progress.update(bar, advance=1, description=f"{done.arm}, {done.fold.folder.name}")


def _finished(jobs: Sequence[Job], workers: int | str) -> Iterator[Job]:
    """The jobs, as they get done."""
    if isinstance(workers, str):
        gpus = _SHARE_OF_GPU if jobs and jobs[0].fold.device.startswith(GPU) else 0.0
        return run_on_cluster(run_job, jobs, workers, gpus)
    if workers == 1 or len(jobs) < 2:
        return map(run_job, jobs)
    return _on_processes(jobs, workers)


def _on_processes(jobs: Sequence[Job], workers: int) -> Iterator[Job]:
    spawn = multiprocessing.get_context("spawn")
    turns = spawn.Value("i", 0) if jobs[0].fold.device in (AUTO, GPU) else None
    pool = ProcessPoolExecutor(min(workers, len(jobs)), spawn, _begin, (turns,))
    try:
        for done in as_completed([pool.submit(run_job, job) for job in jobs]):
            yield done.result()
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _begin(turns: Any) -> None:
    """In a worker: do not outlive the command, however it was ended; and take one of several GPUs if it is its turn."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    if turns is not None:
        with turns.get_lock():
            number, turns.value = turns.value, turns.value + 1
        see_one_gpu(number)


def gather(
    folds: Sequence[Fold], arms: Sequence[str] = ARM_NAMES
) -> tuple[pd.DataFrame, dict[str, list[dict[str, Any]]]]:
    """The predictions of all arms and folds as one table, and each arm's details by fold."""
    tables, details = [], {arm: [] for arm in arms}
    for number, fold in enumerate(folds, start=1):
        for arm in arms:
            job = Job(arm, fold)
            tables.append(pd.read_parquet(job.predictions).assign(fold=number))
            details[arm].append(json.loads(job.details.read_text(encoding="utf-8")))
    return pd.concat(tables, ignore_index=True), details


def gather_heads(folds: Sequence[Fold]) -> pd.DataFrame:
    """The predictions of the heads that were compared, of all arms that have some."""
    tables = [
        pd.read_parquet(job.heads).assign(fold=number)
        for number, fold in enumerate(folds, start=1)
        for arm in ARM_NAMES
        if (job := Job(arm, fold)).heads.is_file()
    ]
    return pd.concat(tables, ignore_index=True)
