"""Finds the modality plug-ins: every module beside `core/` and `slides/`, by file name."""

import importlib
import pkgutil
from functools import cache

import modalities
from modalities.core.contract import Modality

_SHARED = ("core", "slides")


@cache
def plugins() -> dict[str, Modality]:
    """Every plug-in by kind.

    Raises:
        TypeError: a module there lacks part of the contract; a broken plug-in is an error, never skipped.
    """
    found = {}
    for module in sorted(pkgutil.iter_modules(modalities.__path__), key=lambda entry: entry.name):
        if module.name not in _SHARED:
            found[module.name] = _checked(importlib.import_module(f"modalities.{module.name}"), module.name)
    return found


def plugin(kind: str) -> Modality:
    """The plug-in of this kind; looked up among those found, so that no message can name a module to import.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in plugins():
        raise ValueError(f"no modality of kind {kind!r}; known kinds: {', '.join(plugins())}")
    return plugins()[kind]


def _checked(module: object, name: str) -> Modality:
    if not isinstance(module, Modality):
        members = {**Modality.__annotations__, **vars(Modality)}
        lacking = [name for name in members if not name.startswith("_") and not hasattr(module, name)]
        raise TypeError(
            f"modalities/{name}: a modality must define {', '.join(lacking)} (see docs/adding-a-modality.md)"
        )
    if "__pydantic_fields__" not in vars(module.Config):
        raise TypeError(f"modalities/{name}: Config must be made by `@settings` of modalities/core/fields.py")
    return module
