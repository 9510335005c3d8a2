"""Files that are only added to, for their owner alone, and that are on the disk when the call returns."""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modalities.core.problems import unusable

_MODE = 0o600
_BLOCK = 2**16


@dataclass
class Journal:
    """Entries, a line of JSON each, that no other process reads or adds to meanwhile."""

    entries: list[Any]
    _descriptor: int

    def add(self, *entries: Any) -> None:
        """Add entries, all of them or none.

        Raises:
            OSError: the disk is full, or fails.
        """
        append_durably(self._descriptor, _written(entries))
        self.entries += entries


@contextmanager
def journal(path: Path, remedy: str) -> Iterator[Journal]:
    """The journal in this file, which is made where it is not there; what a crash broke off is taken out.

    Nothing was acted upon before its line was whole.

    Raises:
        ValueError: a whole line cannot be read; the message says `remedy`.
        OSError: the file cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with opened(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        torn = last_line(descriptor)[1]
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - len(torn))
        yield Journal(_entries(path, descriptor, remedy), descriptor)


def entries_of(path: Path, remedy: str) -> list[Any]:
    """The entries in the file as they are now; none where there is no file.

    Raises:
        ValueError: as `journal`.
    """
    if not path.is_file():
        return []
    with read_only(path) as descriptor:
        return _entries(path, descriptor, remedy)


def _entries(path: Path, descriptor: int, remedy: str) -> list[Any]:
    entries = []
    for number, line in enumerate(lines_of(descriptor), start=1):
        try:
            entries.append(json.loads(line))
        except ValueError:
            raise unusable("cannot be read", remedy, file=path.name, where=f"line {number}") from None
    return entries


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor to read and to add to; the file is made where it is not there, and its name is on the disk."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _MODE)
    try:
        if is_new:
            sync_folder(path.parent)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def read_only(path: Path) -> Iterator[int]:
    """A descriptor to read a file that is there, for whoever may do no more than that."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def append_durably(descriptor: int, content: bytes) -> None:
    """Add bytes and wait for the disk; what was written in part is taken back.

    Raises:
        OSError: the disk is full, or fails.
    """
    size = os.fstat(descriptor).st_size
    try:
        written = 0
        while written < len(content):
            written += os.write(descriptor, content[written:])
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def add_line(path: Path, line: bytes) -> None:
    """Add a line, for one process at a time, unless it is the last one; one that a crash broke off makes way.

    Raises:
        OSError: the disk is full, or fails.
    """
    with opened(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        before, torn = last_line(descriptor)
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - len(torn))
        if before != line:
            append_durably(descriptor, line + b"\n")


def add_after(path: Path, n_kept: int, entries: Sequence[Any]) -> int:
    """Leave the first `n_kept` lines, and add the entries; how many whole lines there were before.

    So it may be called again with the same entries, wherever it was broken off.

    Raises:
        OSError: the disk is full, or fails.
    """
    with opened(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        sizes = [len(line) + 1 for line in lines_of(descriptor)]
        os.ftruncate(descriptor, sum(sizes[:n_kept]))
        append_durably(descriptor, _written(entries))
    return len(sizes)


def _written(entries: Sequence[Any]) -> bytes:
    return "".join(f"{json.dumps(entry, separators=(',', ':'))}\n" for entry in entries).encode()


def last_line(descriptor: int) -> tuple[bytes, bytes]:
    """The last whole line, empty if there is none, and what stands after it: a line without an end."""
    tail, at = b"", os.fstat(descriptor).st_size
    while at and tail.count(b"\n") < 2:
        begin = max(0, at - _BLOCK)
        tail, at = os.pread(descriptor, at - begin, begin) + tail, begin
    whole, newline, torn = tail.rpartition(b"\n")
    return (whole.rpartition(b"\n")[2] if newline else b""), torn


def lines_of(descriptor: int) -> Iterator[bytes]:
    """Every whole line."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        for line in file:
            if line.endswith(b"\n"):
                yield line[:-1]


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names of the files in the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
