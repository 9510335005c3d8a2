"""Fetches a file whole or not at all: what has come so far lies in NAME.partial, and is not asked for again."""

import asyncio
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import httpx

from simulations.download.asking import Manner, TroubleError, patiently, refuse_status
from simulations.download.entries import Entry

PARTIAL = ".partial"
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_REASONS = {
    401: "controlled access (401)",
    403: "controlled access (403)",
    404: "the server does not have it (404): withdrawn, or replaced by a newer version",
}


def partial_of(path: Path) -> Path:
    """Where the part of a file lies that has come."""
    return path.with_name(path.name + PARTIAL)


def size_of(path: Path) -> int:
    """In bytes; 0 of a file that is not there."""
    return path.stat().st_size if path.is_file() else 0


def md5_of(path: Path) -> str:
    """As the GDC writes it; it guards against damage, not against forgery."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


async def fetch(
    client: httpx.AsyncClient, url: str, entry: Entry, path: Path, manner: Manner, told: Callable[[int], None]
) -> None:
    """Bring a file to its place; `told` hears of each piece how many bytes it has.

    Raises:
        TroubleError: it could not be had.
        OSError: the disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = partial_of(path)

    async def attempt() -> None:
        if size_of(part) > entry.size:
            part.unlink()
        if size_of(part) < entry.size or not part.is_file():
            await _receive(client, url, entry, part, told)
        got = await asyncio.to_thread(md5_of, part)
        if got != entry.md5:
            part.unlink()
            raise TroubleError(f"its MD5 is {got}, not {entry.md5}")
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)

    await patiently(attempt, manner, lambda: size_of(part))


async def _receive(client: httpx.AsyncClient, url: str, entry: Entry, part: Path, told: Callable[[int], None]) -> None:
    """Add to the part what is missing of it, or begin again where the server does not go on."""
    have = size_of(part)
    async with client.stream("GET", url, headers={"Range": f"bytes={have}-"} if have else {}) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()
            raise TroubleError("the server does not have what is missing (416)")
        if answer.status_code in _REASONS:
            raise TroubleError(_REASONS[answer.status_code], passes=False)
        refuse_status(answer)
        kept = have if answer.status_code == httpx.codes.PARTIAL_CONTENT else 0
        if kept and _start_of(answer) != (kept, entry.size):
            part.unlink()
            raise TroubleError("the server goes on at another place than it was asked to")
        with part.open("ab") as file:
            file.truncate(kept)
            async for piece in answer.aiter_raw():
                kept += len(piece)
                if kept > entry.size:
                    break
                file.write(piece)
                told(len(piece))
    if kept > entry.size:
        part.unlink()
        raise TroubleError(f"more than its {entry.size} bytes came")
    if kept < entry.size:
        raise TroubleError(f"{kept} of {entry.size} bytes came")


def _start_of(answer: httpx.Response) -> tuple[int, int] | None:
    """Where the rest of a file begins, and how large the whole is."""
    match = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    return (int(match[1]), int(match[2])) if match and match[2] != "*" else None
