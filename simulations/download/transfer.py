"""Fetches many files side by side: those that are there are not fetched again, and one list says what is missing."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TaskID
from rich.text import Text

from modalities.core.console import progress_of
from modalities.core.files.atomic import write_atomically
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem, unusable
from simulations.download.asking import Manner, TroubleError
from simulations.download.entries import Entry, manifest_of
from simulations.download.fetch import fetch, md5_of, partial_of, size_of

MISSING = "gdc_manifest_missing.txt"
_NOT_TRIED = "not tried, since several in a row failed"
_GB = 1e9


@dataclass
class Transfer:
    """The files of a data folder, fetched from one server."""

    out: Path
    address: str
    manner: Manner

    def lacking(self, entries: Sequence[Entry], *, verify: bool) -> list[Entry]:
        """The files that are not there whole; `verify` reads those that are and removes what is damaged."""
        lacking = []
        for entry in entries:
            path = self.out / entry.path
            if verify and path.is_file() and md5_of(path) != entry.md5:
                path.unlink()
            if not path.is_file() or path.stat().st_size != entry.size:
                lacking.append(entry)
        return lacking

    def refuse_full_disk(self, lacking: Sequence[Entry]) -> None:
        """Raise a ValueError where the disk has no room for what is still to come."""
        needed = sum(entry.size - min(entry.size, size_of(partial_of(self.out / entry.path))) for entry in lacking)
        free = shutil.disk_usage(self.out).free
        if needed > free:
            what = f"{needed / _GB:.1f} GB are still to come, and {free / _GB:.1f} GB are free"
            raise unusable(what, "make room, name another --out, or ask for fewer files", file=str(self.out))

    async def run(self, client: httpx.AsyncClient, lacking: Sequence[Entry], console: Console) -> dict[str, str]:
        """Fetch the files; why each is missing that could not be had, by id.

        Raises:
            ValueError: a file cannot be written.
        """
        missing: dict[str, str] = {}
        failed_in_a_row = 0
        gate = asyncio.Semaphore(self.manner.parallel)

        async def one(entry: Entry, progress: Progress, bar: TaskID) -> None:
            nonlocal failed_in_a_row
            async with gate:
                if failed_in_a_row > self.manner.parallel:
                    missing[entry.id] = _NOT_TRIED
                    return
                url = f"{self.address}/data/{entry.id}"
                try:
                    await fetch(client, url, entry, self.out / entry.path, self.manner, speed.told)
                    failed_in_a_row = 0
                except TroubleError as trouble:
                    missing[entry.id] = trouble.reason
                    failed_in_a_row += trouble.passes
                progress.advance(bar)

        speed = _Bytes(sum(entry.size for entry in lacking))
        with progress_of(console, speed, transient=True) as progress:
            bar = progress.add_task("files", total=len(lacking))
            try:
                async with asyncio.TaskGroup() as group:
                    for entry in lacking:
                        group.create_task(one(entry, progress, bar))
            except* OSError as group_of_errors:
                error = group_of_errors.exceptions[0]
                what = f"cannot be written ({error.strerror})"  # pyright: ignore
                raise unusable(what, "make room; the same command goes on", file=str(self.out)) from None
        return missing


def missing_problems(out: Path, entries: Sequence[Entry], reasons: Mapping[str, str]) -> list[Problem]:
    """What is missing, by reason, and how to go on; written as a manifest too."""
    missing = [entry for entry in entries if entry.id in reasons]
    if not missing:
        (out / MISSING).unlink(missing_ok=True)
        return []
    write_atomically(out / MISSING, manifest_of(missing).encode())
    by_reason: dict[str, list[str]] = {}
    for entry in missing:
        by_reason.setdefault(reasons[entry.id], []).append(entry.name)
    problems = [Problem(f"{reason}: {listing(names)}") for reason, names in by_reason.items()]
    what = f"{len(missing)} of {len(entries)} files are missing; {out / MISSING} lists them"
    remedy = (
        "the same command tries these again and fetches nothing twice; controlled access needs a token of dbGaP "
        f"and the GDC's own client: gdc-client download -m {MISSING} -t TOKEN"
    )
    return [*problems, Problem(what, remedy)]


class _Bytes(ProgressColumn):
    """How many bytes came, of how many."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self._total, self._came = total, 0

    def told(self, n_bytes: int) -> None:
        """Count a piece."""
        self._came += n_bytes

    def render(self, task: Task) -> Text:
        """In GB, and MB a second."""
        speed = self._came / task.elapsed / 1e6 if task.elapsed else 0.0
        return Text(f"{self._came / _GB:.2f} of {self._total / _GB:.2f} GB, {speed:.1f} MB/s")
