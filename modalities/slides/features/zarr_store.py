"""The arrays of a zarr store (a folder, formats 2 and 3) that its own files hold, and no other file of the site.

Read here and not by zarr's library, whose codecs include pickle and unpack as much as a chunk claims: links are not
followed, numbers alone are read, and a chunk unpacks to its own size at most.

Source: the specifications of zarr 2 (`.zarray`, `.zattrs`) and 3 (`zarr.json`).
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numpy as np

from modalities.core.files.packed import MOST_PACKED
from modalities.slides.features.arrays import SLACK_BYTES, refuse, size_of

_MOST_METADATA_BYTES = 1 << 24
_MOST_ABSENT = 10_000
"""Chunks without a file: all of them hold one and the same number."""
_CODECS: Mapping[str, Callable[..., bytes | bytearray]] = {
    "zstd": imagecodecs.zstd_decode,
    "blosc": imagecodecs.blosc_decode,
    "gzip": imagecodecs.gzip_decode,
    "zlib": imagecodecs.zlib_decode,
}


class _Array(NamedTuple):
    """How an array is stored."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: np.dtype
    codec: str
    fill: float
    key: Callable[[tuple[int, ...]], str]
    """A chunk's file, by its place."""


def members_of(store: Path, group: str) -> list[str]:
    """The names in a group that are no links."""
    folder = inside(store, group)
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def inside(store: Path, place: str) -> Path:
    """A place in the store.

    Raises:
        FeatureFileError: a link stands in the way.
    """
    path = store
    for part in Path(place).parts:
        path = path / part
        if path.is_symlink() or part in ("..", "/"):
            refuse(store, [f"{place} is a link to somewhere else, which is not followed"])
    return path


def attributes_of(store: Path, group: str = "") -> dict[str, Any]:
    """What is written of a group; empty where nothing is."""
    held = _json(store, group, "zarr.json").get("attributes") or _json(store, group, ".zattrs")
    return held if isinstance(held, dict) else {}


def has_array(store: Path, name: str) -> bool:
    """Whether this is an array, and not a group or nothing."""
    return _json(store, name, "zarr.json").get("node_type") == "array" or bool(_json(store, name, ".zarray"))


def array_in(store: Path, name: str) -> np.ndarray:
    """The numbers of an array.

    Raises:
        FeatureFileError: it is stored in a way that is not read, or claims more than its files can hold.
    """
    content = _json(store, name, "zarr.json")
    problems: list[str] = []
    array = _third(content, problems) if content else _second(_json(store, name, ".zarray"), problems)
    refuse(store, [f"{name} {problem}" for problem in problems], "write the store again with zarr's own compressors")
    if not _can_hold(store, name, array):
        refuse(store, [f"{name} claims {size_of(array.shape)} values, more than its files can hold"])
    values = np.full(array.shape, array.fill, dtype=array.dtype)
    for place in _chunks(array):
        file = inside(store, f"{name}/{array.key(place)}")
        if file.is_file():
            corner = tuple(slice(at * side, (at + 1) * side) for at, side in zip(place, array.chunk, strict=True))
            target = values[corner]
            target[...] = _unpacked(file, array)[tuple(slice(side) for side in target.shape)]
    return values


def _unpacked(file: Path, array: _Array) -> np.ndarray:
    n_bytes = math.prod(array.chunk) * array.dtype.itemsize
    content: bytes | bytearray = file.read_bytes()
    if array.codec:
        content = _CODECS[array.codec](content, out=n_bytes)
    return np.frombuffer(content, dtype=array.dtype).reshape(array.chunk)


def _can_hold(store: Path, name: str, array: _Array) -> bool:
    """Whether the array, and one of its chunks, are no larger than what its files could be unpacked to."""
    sizes = [file.stat().st_size for file in inside(store, name).rglob("*") if file.is_file()]
    most = MOST_PACKED * sum(sizes) + SLACK_BYTES
    n_chunks = math.prod(-(-side // chunk) for side, chunk in zip(array.shape, array.chunk, strict=True))
    fits = all(math.prod(side) * array.dtype.itemsize <= most for side in (array.shape, array.chunk))
    return fits and n_chunks <= len(sizes) + _MOST_ABSENT


def _chunks(array: _Array) -> Iterator[tuple[int, ...]]:
    counts = [range(-(-side // chunk)) for side, chunk in zip(array.shape, array.chunk, strict=True)]
    return product(*counts)


def _third(content: Mapping[str, Any], problems: list[str]) -> _Array:
    grid, encoding = content["chunk_grid"], content.get("chunk_key_encoding", {})
    codecs = [str(codec["name"]) for codec in content["codecs"]]
    known = (
        grid["name"] == "regular" and codecs[:1] == ["bytes"] and set(codecs[1:]) <= set(_CODECS) and len(codecs) < 3
    )
    problems += [] if known else [f"is stored by {', '.join([str(grid['name']), *codecs])}, which is not read"]
    order = ">" if (content["codecs"][0].get("configuration") or {}).get("endian") == "big" else "<"
    dtype = _numbers(np.dtype(str(content["data_type"])).newbyteorder(order), problems)
    is_default = encoding.get("name", "default") == "default"
    between = str((encoding.get("configuration") or {}).get("separator", "/" if is_default else "."))
    return _checked(
        _Array(
            tuple(map(int, content["shape"])),
            tuple(map(int, grid["configuration"]["chunk_shape"])),
            dtype,
            "".join(codecs[1:]),
            float(content.get("fill_value") or 0.0),
            lambda place: between.join([*["c"] * is_default, *map(str, place)]) or "0",
        ),
        between,
        problems,
    )


def _second(content: Mapping[str, Any], problems: list[str]) -> _Array:
    codec = str((content["compressor"] or {"id": ""})["id"])
    problems += [f"is stored by {codec}, which is not read"] * (codec not in ("", *_CODECS))
    problems += ["has filters, which are not read"] * bool(content.get("filters"))
    problems += ["is stored by columns, which is not read"] * (content.get("order", "C") != "C")
    between = str(content.get("dimension_separator", "."))
    return _checked(
        _Array(
            tuple(map(int, content["shape"])),
            tuple(map(int, content["chunks"])),
            _numbers(np.dtype(str(content["dtype"])), problems),
            codec,
            float(content.get("fill_value") or 0.0),
            lambda place: between.join(map(str, place)) or "0",
        ),
        between,
        problems,
    )


def _numbers(dtype: np.dtype, problems: list[str]) -> np.dtype:
    problems += [f"holds {dtype}, not numbers"] * (dtype.kind not in "fiu")
    return dtype


def _checked(array: _Array, between: str, problems: list[str]) -> _Array:
    if between not in (".", "/") or len(array.shape) != len(array.chunk) or min((*array.shape, 0)) < 0:
        problems.append("is described in a way that makes no sense")
    problems += ["has chunks of no value"] * (min((*array.chunk, 1)) < 1)
    return array


def _json(store: Path, group: str, name: str) -> dict[str, Any]:
    path = inside(store, f"{group}/{name}" if group else name)
    if not path.is_file():
        return {}
    if path.stat().st_size > _MOST_METADATA_BYTES:
        refuse(store, [f"{path.relative_to(store)} is far larger than what describes an array"])
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
