"""What a site keeps of a study is erased, and the audit log says what that was; the hospital's own data are no part.

What is to be erased is noted before anything is, so that an erasure that is broken off goes on, and misses nothing.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from client.audit.log import ERASED, RECEIVED, SENT, append
from client.audit.reading import Entry, read_log
from client.node.home import Home
from modalities.core.files.atomic import write_json
from modalities.core.problems import unusable

_EVIDENCE = ("audit.jsonl", "audit.tree", "audit.torn", "receipts.jsonl", "witnessed.jsonl")
_APPROVALS = ("approved.json", "approved-roster.json")
"""What the digests in the log are of."""
_FOR_GOOD = ("node.key", "node.pub", "epsilon.jsonl", "noise.key", "join.lock", "erasing.json")
"""Who the site is, and what was spent of its patients' privacy over all studies."""


def erase(home: Home, retention_days: int) -> dict[str, Any]:
    """Erase what `.tessera` holds of studies; by name the number of files, their bytes and a SHA-256 of them.

    Audit log, receipts and approvals stay until `retention_days` have passed since the last message; 0: for good.

    Raises:
        ValueError: the site takes part.
        OSError: something cannot be erased; the next call goes on with it.
    """
    with _nobody_joins(home):
        _finish_noting(home)
        begun = json.loads(home.erasing.read_text(encoding="utf-8")) if home.erasing.is_file() else {}
        until = kept_until(home, retention_days)
        kept = _FOR_GOOD if until and until < datetime.now(UTC) else (*_FOR_GOOD, *_EVIDENCE, *_APPROVALS)
        paths = [path for path in sorted(home.folder.iterdir()) if path.name not in kept]
        erased = {**{path.name: _counted(path) for path in paths}, **begun}
        if erased:
            write_json(home.erasing, erased)
            for name in erased:
                _remove(home.folder / name)
            append(home, ERASED, {"erased": erased})
            _finish_noting(home)
    return erased


def kept_until(home: Home, retention_days: int) -> datetime | None:
    """When the log's time is over; None where it has none, or where nothing came or left."""
    entries = read_log(home).entries() if home.audit.is_file() else []
    times = [entry["time"] for entry in entries if entry.get("direction") in (RECEIVED, SENT)]
    return datetime.fromisoformat(times[-1]) + timedelta(days=retention_days) if times and retention_days else None


def _finish_noting(home: Home) -> None:
    """An erasure whose entry is in the log is done."""
    entries: list[Entry] = read_log(home).entries()[-1:] if home.audit.is_file() else []
    if home.erasing.is_file() and entries and entries[0].get("erased") == json.loads(home.erasing.read_text("utf-8")):
        home.erasing.unlink()


@contextmanager
def _nobody_joins(home: Home) -> Iterator[None]:
    with home.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise unusable("this site takes part", "stop its `join` first", file=str(home.site)) from None
        yield


def _counted(path: Path) -> Mapping[str, Any]:
    """SHA-256 is over a line for each file, `digest  name`, as sha256sum prints it."""
    files = [path] if path.is_symlink() or not path.is_dir() else sorted(_files_below(path))
    lines = [f"{_digest(file)}  {file.relative_to(path.parent).as_posix()}\n" for file in files]
    size = sum(file.lstat().st_size for file in files)
    digest = hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
    return {"files": len(files), "bytes": size, "sha256": digest}


def _files_below(folder: Path) -> Iterator[Path]:
    """Links are not followed: what they lead to is not erased either."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from _files_below(path)
        else:
            yield path


def _digest(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return hashlib.sha256().hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
