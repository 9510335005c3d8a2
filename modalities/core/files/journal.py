"""Files that grow by a line of JSON at a time, and survive a crash in the middle of one."""

import json
import os
from pathlib import Path
from typing import Any


def append(path: Path, entry: Any) -> None:
    """Add an entry, on disk when this returns; the file is its owner's alone.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line  # after a crash, so that the broken line stays a line of its own
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def entries_of(path: Path) -> list[Any]:
    """The entries, in order; a line that a crash cut off was never acted upon, and is left out."""
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    entries = []
    for line in lines:
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries
