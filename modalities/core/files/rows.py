"""The rows of a case, such as the tiles of its slides, that stay on a disk and are read block by block."""

import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

_BLOCK_BYTES = 1_000_000
"""What is read at once: it stays in the processor's cache until it is scaled."""
LAID_OUT: Mapping[str, bool] = MappingProxyType({"laid out": True})
"""Metadata of a dataclass's field: a file that keeps the dataclass takes these rows into itself, not their place."""


class Rows(ABC):
    """Rows that are not in memory."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """float16 or float32."""

    @abstractmethod
    def blocks(self) -> Iterator[torch.Tensor]:
        """All rows in their order, some at a time: [row, column] each.

        Raises:
            ValueError: they are not what they were when the object was made.
        """


class OnDisk(ABC):
    """A case that is read whenever a batch wants it."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Of the case in memory."""


class OpenFile:
    """A file that is read by offset: it stays what it was though another takes its place, and threads may share it."""

    def __init__(self, path: Path) -> None:
        """Open it; it is closed with the last who uses it."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def __reduce__(self) -> tuple[type["OpenFile"], tuple[Path]]:
        """Another process opens it anew."""
        return OpenFile, (self.path,)

    def read(self, start: int, length: int) -> bytearray:
        """So many bytes from there.

        Raises:
            ValueError: the file ends before.
        """
        content, done = bytearray(length), 0
        while done < length:
            part = os.pread(self._descriptor, length - done, start + done)
            if not part:
                raise ValueError(f"{self.path.name}: ends at byte {start + done} where {start + length} are due")
            content[done : done + len(part)] = part
            done += len(part)
        return content


class RowsOfFile(Rows):
    """Rows one after the other in a file, from a byte on."""

    def __init__(self, file: OpenFile, start: int, shape: tuple[int, int], dtype: torch.dtype) -> None:
        """`start` in bytes; nothing is read yet."""
        self._file, self._start, self._shape, self._dtype = file, start, shape, dtype

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._shape

    @property
    def dtype(self) -> torch.dtype:
        """float16 or float32."""
        return self._dtype

    def blocks(self) -> Iterator[torch.Tensor]:
        """All rows in their order, some at a time."""
        n_rows, n_columns = self._shape
        row_bytes, at_once = n_columns * self._dtype.itemsize, rows_at_once(n_columns)
        for first in range(0, n_rows, at_once):
            n = min(at_once, n_rows - first)
            content = self._file.read(self._start + first * row_bytes, n * row_bytes)
            yield torch.frombuffer(content, dtype=self._dtype).reshape(n, n_columns)


def rows_at_once(n_columns: int) -> int:
    """Rows in a block."""
    return max(1, _BLOCK_BYTES // (4 * max(1, n_columns)))


def blocks_of(values: np.ndarray | Rows) -> Iterator[np.ndarray]:
    """The rows of a case: all at once if they are in memory."""
    if isinstance(values, np.ndarray):
        yield values
    else:
        yield from (block.numpy() for block in values.blocks())
