"""Imports timm, also beside a torchvision whose compiled half was built for another torch."""

import importlib
import sys
from types import ModuleType

import torch

_LIBRARY, _OPERATORS = "torchvision", ("nms", "qnms")
_declared: list[torch.library.Library] = []  # torch forgets a declaration with its owner


def import_timm() -> ModuleType:
    """The package timm, which is not among the project's: who wants it installs it.

    A package index's torchvision is built for the CUDA torch. Beside a CPU-only one its compiled operators do not
    load, and importing it (timm does) fails where it describes them to torch, unless torch knows them by name. They
    find boxes in images; no backbone calls them. So they are declared, without code: a call is an error as before.

    Raises:
        ImportError: timm, or what it imports, is not installed.
        RuntimeError: torchvision fails in another way.
    """
    try:
        return importlib.import_module("timm")
    except RuntimeError:
        if hasattr(getattr(torch.ops, _LIBRARY), _OPERATORS[0]):  # torch knows it, so something else is wrong
            raise
    library = torch.library.Library(_LIBRARY, "DEF")
    for operator in _OPERATORS:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
    _forget("timm", _LIBRARY)  # half imported: a second import would find parts without their whole
    return importlib.import_module("timm")


def _forget(*packages: str) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in packages]:
        del sys.modules[name]
