"""A safetensors file written block by block and read by offset: the library's own writer wants all of it in memory.

Source: https://huggingface.co/docs/safetensors, Format: the length of a header, the header as JSON, the bytes of all
tensors in the order of their offsets.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from modalities.core.files.rows import OpenFile, Rows, RowsOfFile

_TYPES: Mapping[str, str] = {
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
    "bool": "BOOL",
}
"""numpy's names of types -> those of the format."""
_ALIGNED = 8
Leaf = np.ndarray | Rows


def size_of(leaf: Leaf) -> int:
    """Bytes of an array, or of rows."""
    return int(np.prod(leaf.shape, dtype=np.int64)) * _type_of(leaf).itemsize


def write_leaves(path: Path, leaves: Sequence[Leaf], about: Mapping[str, str]) -> None:
    """A file of these, each named by its place; `about` is the file's metadata.

    Raises:
        TypeError: the format has no such type of number.
        OSError: it cannot be written.
        ValueError: rows are no longer what they were.
    """
    widest_first = sorted(enumerate(leaves), key=lambda pair: -_type_of(pair[1]).itemsize)  # so that each is aligned
    header: dict[str, Any] = {"__metadata__": dict(about)}
    end = 0
    for name, leaf in widest_first:
        start, end = end, end + size_of(leaf)
        kind = _TYPES[_type_of(leaf).name]
        header[str(name)] = {"dtype": kind, "shape": list(leaf.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _ALIGNED)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, leaf in widest_first:
            for block in [leaf] if isinstance(leaf, np.ndarray) else leaf.blocks():
                file.write(np.ascontiguousarray(block).data)


class Layout:
    """Where the leaves of a file lie: rows of it are read later."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened before rows are asked for."""
        self._path = path

    def rows(self, name: str) -> RowsOfFile:
        """The rows of this name.

        Raises:
            KeyError: there are none, or none of halves or floats.
        """
        file, start, header = self._opened
        leaf = header[name]
        kind = {"F16": torch.float16, "F32": torch.float32}[leaf["dtype"]]
        n_rows, n_columns = leaf["shape"]
        return RowsOfFile(file, start + leaf["data_offsets"][0], (n_rows, n_columns), kind)

    @cached_property
    def _opened(self) -> tuple[OpenFile, int, dict[str, Any]]:
        """The file, where its data begin, and its header."""
        file = OpenFile(self._path)
        (length,) = struct.unpack("<Q", file.read(0, 8))
        return file, 8 + length, json.loads(file.read(8, length))


def _type_of(leaf: Leaf) -> np.dtype:
    kind = leaf.dtype if isinstance(leaf, np.ndarray) else np.dtype(str(leaf.dtype).removeprefix("torch."))
    if kind.name not in _TYPES:
        raise TypeError(f"numbers of type {kind} cannot be kept with tensors")
    return kind
