"""A study's progress on disk: one file, replaced in one step, so that a crash at any moment leaves a whole one."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

_META = "tessera"


def save_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write arrays and plain values; the file that stood there before is there until the new one is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with _replacing(path) as beside:  # straight from the arrays: their bytes in one piece would double the memory
        save_file(contiguous, beside, metadata={_META: json.dumps(meta, sort_keys=True)})


def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What `save_checkpoint` wrote.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            meta = json.loads((file.metadata() or {})[_META])
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: no readable checkpoint; move it away to begin the study anew") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file, or leave what is there."""
    with _replacing(path) as beside:
        beside.write_bytes(content)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file to write beside this one; then it is flushed to disk and renamed over it."""
    beside = path.with_name(path.name + ".part")
    yield beside
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    beside.replace(path)
