"""A file of weights: its tensors, and its digest."""

import hashlib
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from modalities.core.problems import unusable

_SAFE = ".safetensors"
_WRAPPED = ("state_dict", "model")


def tensors_of(file: Path) -> dict[str, Tensor]:
    """Every tensor of the file by its name; nothing in the file is run.

    Raises:
        ValueError: it is damaged, of another format than its name says, or holds more than tensors.
    """
    return _safetensors(file) if file.suffix == _SAFE else _pickled(file)


def file_digest(file: Path) -> str:
    """SHA-256, as `sha256sum` prints it."""
    with file.open("rb") as held:
        return hashlib.file_digest(held, "sha256").hexdigest()


def _safetensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        if zipfile.is_zipfile(file):
            what = "is no safetensors file but one that PyTorch saved"
            raise unusable(what, f"name it {file.stem}.bin: it is then read as such", file=file.name) from error
        raise _damaged(file, error) from error


def _pickled(file: Path) -> dict[str, Tensor]:
    try:
        held = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        what = "is a pickle that holds more than tensors; reading it could run a program, so it is not read"
        raise unusable(what, "take the model's safetensors file", file=file.name) from error
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise _damaged(file, error) from error
    for key in _WRAPPED:
        held = held[key] if isinstance(held, dict) and isinstance(held.get(key), dict) else held
    if not isinstance(held, dict) or not all(isinstance(value, Tensor) for value in held.values()):
        what = f"holds {_kinds(held)}, not tensors by their names"
        raise unusable(what, "take the model's safetensors file", file=file.name)
    return held


def _damaged(file: Path, error: Exception) -> Exception:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return unusable(f"cannot be read ({said})", "copy or download it again", file=file.name)


def _kinds(held: Any) -> str:
    values = held.values() if isinstance(held, dict) else [held]
    return ", ".join(sorted({type(value).__name__ for value in values} - {"Tensor"}))
