"""The tables of states of a cache: one of all slides, and one of each part of them that is prepared by itself."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from modalities.core.problems import unusable
from modalities.slides.prepare.state import SlideState, read_states, write_states
from modalities.slides.reading.files import CannotWriteError
from modalities.slides.reading.manifest import Listed

_ALL, _PARTS = "states.csv", "states.*-of-*.csv"
_EVERY_S = 1.0
_T = TypeVar("_T")


class Shard(NamedTuple):
    """A part of the slides, of several that are prepared beside each other, on one machine or on many."""

    number: int
    """From 1 on."""
    of: int

    def of_slides(self, listed: Sequence[Listed]) -> list[Listed]:
        """The part: every slide is in one, whoever asks; those that are not used are dealt out by themselves."""
        used = [entry for entry in listed if not entry.left_out]
        return [*self._dealt(used), *self._dealt([entry for entry in listed if entry.left_out])]

    def _dealt(self, entries: list[_T]) -> list[_T]:
        return entries[self.number - 1 :: self.of]


def shard_of(text: str) -> Shard | None:
    """The shard of `3/16`; None for an empty text.

    Raises:
        ValueError: it is no such pair.
    """
    if not text:
        return None
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise unusable(f"--shard {text}: no part of a whole", "give its number and how many there are, such as 3/16")
    return Shard(int(number), int(of))


class States:
    """What became of slides, as the cache has it and as it is now."""

    def __init__(self, cache: Path, shard: Shard | None) -> None:
        """Of the tables that are there, the rows of the newest count."""
        self.cache = cache
        self._path = cache / (f"states.{shard.number}-of-{shard.of}.csv" if shard else _ALL)
        self._is_part = shard is not None
        self._parts = {path: _changed(path) for path in cache.glob(_PARTS)}
        tables = sorted([cache / _ALL, *self._parts], key=_changed)
        self.before = list(
            {(_key(state), state.file): state for path in tables for state in read_states(path)}.values()
        )
        self._known = set(self.before)
        self._now: list[SlideState] = []
        self._is_new, self._written = False, 0.0

    def add(self, state: SlideState) -> None:
        """What became of a slide now."""
        self._now.append(state)
        self._is_new |= state not in self._known

    def write_now_and_then(self) -> None:
        """Write the table if the last time is a while ago: it may be long, and slides may be done by the dozen.

        Raises:
            CannotWriteError: the disk is full, or the folder cannot be written.
        """
        if time.monotonic() - self._written >= _EVERY_S:
            self.write()

    def settle(self) -> None:
        """Write what is new, where the folder can be written: somebody else's cache, only to be read, keeps its own.

        The table of all takes over those of the parts.
        """
        merged = {} if self._is_part else self._parts
        if self._is_new or merged:
            with suppress(CannotWriteError):
                self.write()
                for path, changed in merged.items():
                    if _changed(path) == changed:  # else that part is still at work, and says more than was read here
                        path.unlink(missing_ok=True)

    def write(self) -> None:
        """The whole table; that of a part has its own slides only, for others know better about theirs.

        Raises:
            CannotWriteError: the disk is full, or the folder cannot be written.
        """
        now = {_key(state) for state in self._now}
        others = [] if self._is_part else [state for state in self.before if _key(state) not in now]
        write_states(self._path, [*others, *self._now])
        self._is_new, self._written = False, time.monotonic()


def _key(state: SlideState) -> tuple[str, str]:
    return state.recipe, state.slide


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
