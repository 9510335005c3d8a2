"""Whatever a plug-in made of tensors, in one safetensors file: mapped into memory when it is read, never unpickled.

Tensors and arrays may stand in lists, tuples, dicts by name, dataclasses and named tuples of the `modalities` package,
within each other, beside text, numbers and None. How they stand there is the file's metadata.
"""

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

_TREE, _PACKAGE = "tree", "modalities"


def save_tensors(path: Path, value: Any, least_free: int = 0) -> None:
    """Write the value to a new file, if that leaves so many bytes of the disk free.

    Raises:
        TypeError: it holds something else than is listed above.
        OSError: it does not, or the folder cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    tree, needed = json.dumps(_described(value, arrays)), sum(array.nbytes for array in arrays.values())
    free = shutil.disk_usage(path.parent).free
    if free - needed < least_free:
        raise OSError(f"{needed / 1e9:.1f} GB are needed where {free / 1e9:.1f} GB are free; make room on this disk")
    try:
        save_file(arrays, path, {_TREE: tree})
    except SafetensorError as error:
        raise OSError(str(error)) from error


def load_tensors(path: Path) -> Any:
    """The value again; writing into its tensors changes no file.

    Raises:
        ValueError: the file is damaged, or was written by code that this is not.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return _rebuilt(json.loads(file.metadata()[_TREE]), file.get_tensor)
    except (SafetensorError, OSError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name}: cannot be read: {type(error).__name__}") from error


def _described(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The value with its tensors and arrays taken out into `arrays`, each replaced by its name there."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, torch.Tensor | np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.ascontiguousarray(value)
        return {"tensor" if isinstance(value, torch.Tensor) else "array": name}
    if isinstance(value, Mapping):
        return {"dict": {_text(key): _described(own, arrays) for key, own in value.items()}}
    if (names := _field_names(value)) is not None:
        fields = {name: _described(getattr(value, name), arrays) for name in names}
        return {"class": f"{type(value).__module__}:{type(value).__qualname__}", "fields": fields}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_described(own, arrays) for own in value]}
    raise TypeError(f"a {type(value).__name__} cannot be kept with tensors")


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a dict's keys must be text to be kept, got a {type(key).__name__}")
    return key


def _field_names(value: Any) -> list[str] | None:
    """The fields of a dataclass or a named tuple; None for anything else."""
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    names = getattr(value, "_fields", None) if isinstance(value, tuple) else None
    return None if names is None else list(names)


def _rebuilt(node: Any, tensor: Callable[[str], torch.Tensor]) -> Any:
    if not isinstance(node, dict):
        return node
    if "class" in node:
        return _class_of(node["class"])(**{name: _rebuilt(own, tensor) for name, own in node["fields"].items()})
    ((kind, held),) = node.items()
    if kind in ("tensor", "array"):
        return tensor(held) if kind == "tensor" else tensor(held).numpy()
    if kind == "dict":
        return {key: _rebuilt(own, tensor) for key, own in held.items()}
    return {"list": list, "tuple": tuple}[kind](_rebuilt(own, tensor) for own in held)


def _class_of(name: str) -> type:
    """A class of a module that is imported already: no file can name a module to import."""
    module, _, qualname = name.partition(":")
    known = vars(sys.modules[module]).get(qualname) if module.partition(".")[0] == _PACKAGE else None
    if not isinstance(known, type) or not (dataclasses.is_dataclass(known) or hasattr(known, "_fields")):
        raise ValueError(f"{name} is no class of Tessera's own that holds fields")
    return known
