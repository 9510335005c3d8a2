"""A study's progress on disk: one file, replaced in one step, so that a crash at any moment leaves a whole one.

The one before is kept beside it: a disk that gives back other bytes than were written costs one step, not the study.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from errno import EIO
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from modalities.core.files.atomic import is_of_safetensors, remove_parts, replacing
from strategies.masked_exchange.wire import digest_of_arrays

CHECKPOINT = "checkpoint.safetensors"
"""In the folder of a study's run."""
_META, _SHA256 = "tessera", "sha256"
_BEFORE, _DAMAGED = "before", "damaged"
"""What the names of the one before, and of one that cannot be read, begin with."""

Read = tuple[dict[str, np.ndarray], dict[str, Any]]


def save_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write arrays and plain values; the file that stood there is there until the new one is complete, then beside.

    One process at a time saves in a folder: what one that was killed left half-written there is removed.

    Raises:
        OSError: the disk is full, or fails.
    """
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    text = json.dumps(meta, sort_keys=True)
    _remove_unfinished(path.parent)
    if path.is_file():
        with replacing(_beside(path, _BEFORE)) as beside:
            _same_file(path, beside)
    with replacing(path) as beside:  # straight from the arrays: their bytes in one piece would double the memory
        try:
            save_file(contiguous, beside, metadata={_META: text, _SHA256: _sha256(contiguous, text)})
        except SafetensorError as error:  # its word for what a disk says
            raise OSError(EIO, str(error), str(path)) from error


def load_checkpoint(path: Path) -> Read:
    """What `save_checkpoint` wrote.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            kept = file.metadata() or {}
            arrays, meta = {name: file.get_tensor(name) for name in file.keys()}, json.loads(kept[_META])  # noqa: SIM118
            is_whole = kept.get(_SHA256) in (None, _sha256(arrays, kept[_META]))  # none of an earlier version
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: no readable checkpoint; move it away to begin the study anew") from error
    if not is_whole:
        raise ValueError(f"{path}: other bytes than were written; move it away to begin the study anew")
    return arrays, meta


def load_or_restore(path: Path) -> tuple[Read, str]:
    """The same; in the place of a damaged one the one before, which takes it, and what to say of that.

    Raises:
        ValueError: both are damaged, or there is only one.
    """
    try:
        return load_checkpoint(path), ""
    except ValueError as error:
        before, damaged = _beside(path, _BEFORE), _beside(path, _DAMAGED)
        if not before.is_file():
            raise
        try:
            found = load_checkpoint(before)
        except ValueError:
            raise error from None
    with replacing(damaged) as beside:
        _same_file(path, beside)
    with replacing(path) as beside:
        _same_file(before, beside)
    return found, f"{path.name} was damaged, and is kept as {damaged.name}: the study goes on from the step before"


def _remove_unfinished(folder: Path) -> None:
    remove_parts(folder)
    for path in folder.glob(".tmp*"):
        if is_of_safetensors(path):
            path.unlink(missing_ok=True)


def _beside(path: Path, word: str) -> Path:
    return path.with_name(f"{word}-{path.name}")


def _same_file(path: Path, other: Path) -> None:
    """A second name for a file, or a copy where the disk knows no such thing."""
    other.unlink(missing_ok=True)
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)


def _sha256(arrays: Mapping[str, np.ndarray], text: str) -> str:
    return hashlib.sha256(f"{digest_of_arrays(arrays)} {text}".encode()).hexdigest()
