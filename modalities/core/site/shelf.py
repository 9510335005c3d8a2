"""What was read and prepared at a site, kept on its disk: each message of a study is a process of its own."""

import hashlib
from collections.abc import Callable
from functools import cache
from logging import getLogger
from pathlib import Path
from typing import Any

import modalities
from modalities.core.files.atomic import remove_parts, replacing
from modalities.core.site.tensor_files import load_tensors, save_tensors

_LOG = getLogger("tessera.client")
_LEAST_FREE = 500_000_000
"""Bytes that are left free: Flower's own state and the site's logs need them."""


class Shelf:
    """A folder that only the site's user can look into, with one file a name: the latest.

    A disk that is full, or a file that is damaged, costs the time to read again and nothing else.
    """

    def __init__(self, folder: Path, least_free: int = _LEAST_FREE) -> None:
        """Nothing is made before there is something to keep."""
        self._folder, self._least_free = folder, least_free

    def keep(self, name: str, digest: str, make: Callable[[], Any], instead_of: str = "") -> Any:
        """What is kept under this name and digest, or else what `make` gives, kept from now on.

        It takes the place of what was kept under this name, and under the name `instead_of`.
        """
        path = self._path(name, digest)
        kept = self.kept(name, digest)
        if kept is not None:
            self._remove([instead_of], path)
            return kept
        value = make()
        try:
            self._put(path, value)
        except (OSError, TypeError) as error:
            _LOG.warning("%s is not kept, so the next message reads the files again: %s", name, error)
        else:
            self._remove([name, instead_of], path)
        return value

    def kept(self, name: str, digest: str) -> Any:
        """What is kept under this name and digest; None if nothing is, or it is damaged."""
        path = self._path(name, digest)
        if not path.is_file():
            return None
        try:
            return load_tensors(path)
        except ValueError as error:
            _LOG.warning("%s; it is made anew", error)
            return None

    def put(self, name: str, digest: str, value: Any) -> None:
        """Keep the value in the place of what was kept under this name.

        Raises:
            OSError: it cannot be written.
        """
        path = self._path(name, digest)
        self._put(path, value)
        self._remove([name], path)

    def clear_but(self, name: str) -> None:
        """Take away what is kept under other names."""
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.name.rpartition(".")[0] != name:
                path.unlink(missing_ok=True)

    def _path(self, name: str, digest: str) -> Path:
        return self._folder / f"{name}.{digest}"

    def _put(self, path: Path, value: Any) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(path) as beside:
            save_tensors(beside, value, self._least_free)
            beside.chmod(0o600)

    def _remove(self, names: list[str], kept: Path) -> None:
        remove_parts(self._folder)
        for path in self._folder.iterdir():
            if path != kept and path.name.rpartition(".")[0] in names:
                path.unlink(missing_ok=True)


@cache
def code_digest(root: Path = Path(modalities.__path__[0])) -> str:
    """SHA-256 of the code that reads and prepares: other code may make something else of the same files."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
