"""Whatever a plug-in made of tensors, in one safetensors file: mapped into memory when it is read, never unpickled.

Tensors and arrays may stand in lists, tuples, dicts by name, dataclasses and named tuples of the `modalities` package,
within each other, beside text, numbers and None. How they stand there is the file's metadata. Rows that a dataclass
wants laid out are copied into the file block by block, and read from it by offset.
"""

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from modalities.core.files.rows import LAID_OUT, Rows
from modalities.core.files.tensor_layout import Layout, Leaf, size_of, write_leaves

_TREE, _PACKAGE = "tree", "modalities"


def save_tensors(path: Path, value: Any, least_free: int = 0) -> None:
    """Write the value to a new file, if that leaves so many bytes of the disk free.

    Raises:
        TypeError: it holds something else than is listed above.
        OSError: it does not, or the folder cannot be written.
        ValueError: rows are no longer what they were.
    """
    leaves = _Leaves()
    tree, needed = json.dumps(leaves.described(value)), sum(map(size_of, leaves.values))
    free = shutil.disk_usage(path.parent).free
    if free - needed < least_free:
        raise OSError(f"{needed / 1e9:.1f} GB are needed where {free / 1e9:.1f} GB are free; make room on this disk")
    write_leaves(path, leaves.values, {_TREE: tree})


def load_tensors(path: Path) -> Any:
    """The value again; writing into its tensors changes no file.

    Raises:
        ValueError: the file is damaged, or was written by code that this is not.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tree = json.loads(file.metadata()[_TREE])
            return _rebuilt(tree, cache(file.get_tensor), Layout(path).rows)
    except (SafetensorError, OSError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name}: cannot be read: {type(error).__name__}") from error


class _Leaves:
    """The tensors, arrays and rows of a value, each taken out of it once and named by its place here."""

    def __init__(self) -> None:
        self.values: list[Leaf] = []
        self._names: dict[int, tuple[str, Any]] = {}

    def described(self, value: Any) -> Any:
        """The value with its leaves replaced by their names."""
        if value is None or isinstance(value, str | bool | int | float):
            return value
        if isinstance(value, torch.Tensor | np.ndarray):
            return {"tensor" if isinstance(value, torch.Tensor) else "array": self._name(value)}
        if isinstance(value, Mapping):
            return {"dict": {_text(key): self.described(own) for key, own in value.items()}}
        if (fields := _fields(value)) is not None:
            described = {
                name: {"rows": self._name(own)} if is_laid_out else self.described(own)
                for name, (own, is_laid_out) in fields.items()
            }
            return {"class": f"{type(value).__module__}:{type(value).__qualname__}", "fields": described}
        if isinstance(value, list | tuple):
            return {type(value).__name__: [self.described(own) for own in value]}
        raise TypeError(f"a {type(value).__name__} cannot be kept with tensors")

    def _name(self, value: torch.Tensor | np.ndarray | Rows) -> str:
        """What many hold is written once: they hold the same again when they are read."""
        if id(value) not in self._names:
            self._names[id(value)] = str(len(self.values)), value  # held here, so that no other gets its id
            self.values.append(value if isinstance(value, Rows) else np.ascontiguousarray(value))
        return self._names[id(value)][0]


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a dict's keys must be text to be kept, got a {type(key).__name__}")
    return key


def _fields(value: Any) -> dict[str, tuple[Any, bool]] | None:
    """The fields of a dataclass or a named tuple, and which are rows to lay out; None for anything else."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: (getattr(value, field.name), bool(LAID_OUT.items() & field.metadata.items()))
            for field in dataclasses.fields(value)
        }
    names = getattr(value, "_fields", None) if isinstance(value, tuple) else None
    return None if names is None else {name: (getattr(value, name), False) for name in names}


def _rebuilt(node: Any, tensor: Callable[[str], torch.Tensor], rows: Callable[[str], Rows]) -> Any:
    if not isinstance(node, dict):
        return node
    if "class" in node:
        fields = {name: _rebuilt(own, tensor, rows) for name, own in node["fields"].items()}
        return _class_of(node["class"])(**fields)
    ((kind, held),) = node.items()
    if kind == "rows":
        return rows(held)
    if kind in ("tensor", "array"):
        return tensor(held) if kind == "tensor" else tensor(held).numpy()
    if kind == "dict":
        return {key: _rebuilt(own, tensor, rows) for key, own in held.items()}
    return {"list": list, "tuple": tuple}[kind](_rebuilt(own, tensor, rows) for own in held)


def _class_of(name: str) -> type:
    """A class of a module that is imported already: no file can name a module to import."""
    module, _, qualname = name.partition(":")
    known = vars(sys.modules[module]).get(qualname) if module.partition(".")[0] == _PACKAGE else None
    if not isinstance(known, type) or not (dataclasses.is_dataclass(known) or hasattr(known, "_fields")):
        raise ValueError(f"{name} is no class of Tessera's own that holds fields")
    return known
