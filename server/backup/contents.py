"""What of a study goes into a backup: everything but private keys, which go apart, and what `start` makes anew."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from errno import ENOSPC
from pathlib import Path
from urllib.parse import quote

from modalities.core.files.atomic import is_unfinished
from modalities.core.problems import Problem, check, unusable
from server.coordinator.flower import database, nodes_file, registering
from server.coordinator.folder import Study

_MADE_ANEW = ("flower/app/", "flower/apps/", "flower/config.toml", "gateway/nginx.conf", "gateway/nginx.pid")
_MOST_OF_A_KEY = 2**16


def files_of(study: Study, *, with_keys: bool) -> tuple[dict[str, Path], dict[str, Path]]:
    """The study's files by name, and its private keys; links are followed, which a restored study has none of.

    A folder's own files are listed before those of the folders in it, and read in the order of their names: so a
    release whose model.json is there is whole, and metrics.jsonl has every line that the checkpoint knows.

    Raises:
        ValueError: every file that this user cannot read.
    """
    files: dict[str, Path] = {}
    keys: dict[str, Path] = {}
    for path in _walked(study.folder):
        name = path.relative_to(study.folder).as_posix()
        if path.is_file() and not is_unfinished(path) and not name.startswith((*_MADE_ANEW, "flower/state.db")):
            (keys if _is_private(path) else files)[name] = path
    asked = {**files, **(keys if with_keys else {})}
    check(
        Problem("cannot be read by this user", "back up as the study's user, or as root", file=name)
        for name, path in asked.items()
        if not os.access(path, os.R_OK) and os.path.lexists(path)  # else it went meanwhile
    )
    return dict(sorted(files.items())), dict(sorted(keys.items()))


def _walked(folder: Path) -> Iterator[Path]:
    seen = set()
    for where, folders, names in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(where))
        folders[:] = [name for name in folders if os.path.realpath(Path(where, name)) not in seen]
        yield from (Path(where, name) for name in names)


def _is_private(path: Path) -> bool:
    """Whether this is a private key, whatever it is called."""
    if path.suffix == ".key":
        return True
    with suppress(FileNotFoundError):  # gone meanwhile
        is_small = path.stat().st_size <= _MOST_OF_A_KEY and os.access(path, os.R_OK)
        return is_small and b"PRIVATE KEY-----" in path.read_bytes()
    return False


def database_copied(study: Study, beside: Path) -> dict[str, Path]:
    """A copy of Flower's database as it is at one moment, with the nodes that it knows; nothing before the first start.

    Raises:
        ValueError: it is damaged.
    """
    live, known = database(study), nodes_file(study)
    if not live.is_file():
        return {}
    with registering(study):
        try:
            with (
                closing(sqlite3.connect(f"file:{quote(str(live.resolve()))}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(beside / live.name)) as copy,
            ):
                source.backup(copy)
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise OSError(ENOSPC, os.strerror(ENOSPC), str(beside)) from None
            is_damaged = error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
            remedy = f"move it and {known.name} away, since `start` makes both anew, and back up again"
            raise unusable(
                f"cannot be copied: {error}", remedy if is_damaged else "try again", file=str(live)
            ) from error
        if known.is_file():
            shutil.copyfile(known, beside / known.name)
    return {path.relative_to(study.folder).as_posix(): beside / path.name for path in (live, known)}
