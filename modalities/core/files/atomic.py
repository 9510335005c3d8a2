"""Files that are whole or not there: written beside, flushed to disk, renamed."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PART = ".part"
_OF_SAFETENSORS = re.compile(r"\.tmp[A-Za-z0-9]{6}")
"""What `save_file` writes beside its target before it renames it."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which takes this one's place once the block ends; a block that fails leaves what was there.

    The folder is made where it does not exist.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}{_PART}")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file, or leave what is there."""
    with replacing(path) as beside:
        beside.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """The same for plain values."""
    write_atomically(path, json.dumps(content, indent=1).encode())


def is_unfinished(path: Path) -> bool:
    """Whether the name is that of a file which somebody writes, or did when they were killed."""
    return path.suffix == _PART or is_of_safetensors(path)


def is_of_safetensors(path: Path) -> bool:
    """Whether it is that of one which safetensors writes: no process stands in it."""
    return _OF_SAFETENSORS.fullmatch(path.name) is not None


def remove_parts(folder: Path) -> None:
    """Clear away what processes that are no more had begun to write."""
    for part in folder.rglob(f"*{_PART}"):
        pid = part.name.split(".")[-2]
        if pid.isdigit() and not _is_alive(int(pid)):
            part.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
