"""The SuperLink's database: made for large messages; whether it can be opened, and by whom."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from modalities.core.problems import unusable

DATABASE = "state.db"
_PAGE_BYTES = 65_536
"""The most that SQLite allows. Flower writes a message's pieces of 4 MiB anew wherever it counts who refers to them."""
_LOCK = "start.lock"
_AGAIN = (
    "move {} away and type this again: every enrolled site is registered anew, its `join` comes back by itself, and "
    "`resume` goes on from the last finished step"
)


@contextmanager
def opened(folder: Path) -> Iterator[None]:
    """Flower's folder, which is nobody else's: neither other users of this machine nor a second `start` may open it.

    Raises:
        ValueError: another process has opened it, or the database is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            what = "another `tessera-server start` has opened this study"
            raise unusable(what, "end that one first", file=str(folder.parent)) from None
        refuse_damaged(folder / DATABASE)
        yield


def is_new(database: Path) -> bool:
    """Whether it knows nothing yet: it was never there, was moved away, or lost the journal that held everything."""
    if not database.is_file():
        return True
    with _connected(database) as connection:
        return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def make(database: Path) -> None:
    """An empty one of large pages, for Flower to fill; one that is there stays as it is."""
    if database.is_file() and database.stat().st_size:
        return
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("VACUUM")  # which writes the first page, and with it the size


def refuse_damaged(database: Path) -> None:
    """Look at every page, which takes about a second for 500 MB.

    Raises:
        ValueError: a power cut, a full disk or a bad one has left what SQLite cannot read.
    """
    if not database.is_file():
        return
    try:
        with _connected(database) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        names = f"{database.name}, {database.name}-wal and {database.name}-shm"
        raise unusable(
            f"Flower's database is damaged ({' '.join(str(found).split())})", _AGAIN.format(names), file=str(database)
        )


def _connected(database: Path) -> closing[sqlite3.Connection]:
    """A connection to a file that is there; one that is not stays so."""
    return closing(sqlite3.connect(f"file:{quote(str(database.resolve()))}?mode=rw", uri=True))
