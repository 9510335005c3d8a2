"""Runs every arm on every outer fold, side by side; what is finished stays finished when it is stopped."""

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
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
from simulations.engines.machine import see_one_gpu


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


def sweep(folds: Sequence[Fold], workers: int, console: Console, arms: Sequence[str] = ARM_NAMES) -> None:
    """Every arm of every fold that is not done yet, longest first.

    Raises:
        KeyboardInterrupt: stopped by hand; the same command goes on from there.
    """
    jobs = [Job(arm, fold) for arm in arms for fold in folds]
    waiting = [job for job in jobs if not job.details.is_file()]
    with progress_of(console) as progress:
        bar = progress.add_task("arms", total=len(jobs), completed=len(jobs) - len(waiting))
        if workers == 1 or len(waiting) < 2:
            for job in waiting:
                run_job(job)
                progress.advance(bar)
            return
        spawn = multiprocessing.get_context("spawn")
        turns = spawn.Value("i", 0) if folds[0].device in (AUTO, GPU) else None
        pool = ProcessPoolExecutor(min(workers, len(waiting)), spawn, _begin, (turns,))
        try:
            for done in as_completed([pool.submit(run_job, job) for job in waiting]):
                finished = done.result()
                progress.update(bar, advance=1, description=f"{finished.arm}, {finished.fold.folder.name}")
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
