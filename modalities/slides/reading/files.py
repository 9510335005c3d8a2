"""Files that are whole or not there: written beside, flushed, renamed; and what a disk that refuses is called."""

import errno
import os
from pathlib import Path

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space, or set `slides.cache` in site.yaml to a folder on another disk",
    errno.EDQUOT: "the disk quota is used up: free some space, or set `slides.cache` in site.yaml to another folder",
    errno.EROFS: "the folder is read-only: set `slides.cache` in site.yaml to a folder that can be written",
    errno.EACCES: "no permission to write there: set `slides.cache` in site.yaml to a folder that can be written",
    errno.EPERM: "no permission to write there: set `slides.cache` in site.yaml to a folder that can be written",
}


class CannotWriteError(ValueError):
    """The cache folder takes no more files: nothing that any other slide could change."""


def write_whole(path: Path, content: bytes) -> None:
    """Write the file in one step: whoever looks, and whatever happens, finds a whole one or none.

    Raises:
        CannotWriteError: the disk is full, or the folder cannot be written.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True) if beside.parent.is_dir() else None
        reason = _REMEDIES.get(error.errno or 0, f"{error.strerror}; set `slides.cache` in site.yaml to another folder")
        raise CannotWriteError(f"{path.parent}: {reason}") from error


def remove_parts(folder: Path) -> None:
    """Clear away what processes that are no more had begun to write."""
    for part in folder.rglob("*.part"):
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
