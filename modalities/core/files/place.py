"""Where the files of a folder lie, as data."""

from pathlib import Path
from typing import Protocol


class _HasFolder(Protocol):
    @property
    def folder(self) -> Path: ...


class Place:
    """A path below the `folder` of whatever has it as a class attribute: `key = Place("node.key")`."""

    def __init__(self, *parts: str) -> None:
        self._parts = parts

    def __get__(self, holder: _HasFolder, owner: type) -> Path:
        return holder.folder.joinpath(*self._parts)
