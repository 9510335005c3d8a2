"""Files of the slide cache: whole or not there; a disk that takes no more is an error with its remedy."""

import errno
from pathlib import Path

from modalities.core.files.atomic import write_atomically

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
    try:
        write_atomically(path, content)
    except OSError as error:
        reason = _REMEDIES.get(error.errno or 0, f"{error.strerror}; set `slides.cache` in site.yaml to another folder")
        raise CannotWriteError(f"{path.parent}: {reason}") from error
