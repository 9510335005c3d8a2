"""What a format under test is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Format:
    """A format under test."""

    write: Callable[[Path], Path]
    """A small valid file in the folder; others that it needs may lie beside it."""
    read: Callable[[Path], Any]
    delimiter: str | None = "\t"
    """None: it has no cells."""
    unaccounted: Callable[[Path, Any], Mapping[str, int]] = lambda path, found: {}
    """What was read -> how many rows, columns or cases of the file are neither in it nor in its notes."""
    encoding: str = "utf-8"
    beside: tuple[str, ...] = ()
    """Files that are read together with it: what is wrong between them may be said of any."""
