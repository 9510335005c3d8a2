"""Finds the modality plug-ins: every module beside `core/` and `slides/`, by file name, and those of a notebook."""

import importlib
import pkgutil
from functools import cache

import modalities
from modalities.core.added import MODALITY, add, added
from modalities.core.contract import Modality
from modalities.core.hooks import PublicScale

_SHARED = ("core", "slides")


@cache
def kinds() -> list[str]:
    """The kinds that there are plug-ins of."""
    files = (module.name for module in pkgutil.iter_modules(modalities.__path__) if module.name not in _SHARED)
    return sorted({*files, *added(MODALITY)})


def register_modality(kind: str, module: object) -> None:
    """Let settings name a modality of your own as `kind`, in this process; anything with the contract's names will do.

    A study whose sites run elsewhere needs it as a file (docs/adding-a-modality.md).

    Raises:
        ValueError: the name is none, or that of a file.
        TypeError: it lacks part of the contract.
    """
    add(MODALITY, kind, _checked(module, kind), kinds())
    kinds.cache_clear()
    plugin.cache_clear()


def plugins() -> dict[str, Modality]:
    """Every plug-in by kind.

    Raises:
        TypeError: a module there lacks part of the contract; a broken plug-in is an error, never skipped.
    """
    return {kind: plugin(kind) for kind in kinds()}


@cache
def plugin(kind: str) -> Modality:
    """The plug-in of this kind, imported alone: what others bring along takes longer than a small site trains.

    It is looked up among those that there are, so that no message can name a module to import.

    Raises:
        ValueError: there is no such kind.
        TypeError: it lacks part of the contract.
    """
    if kind not in kinds():
        raise ValueError(f"no modality of kind {kind!r}; known kinds: {', '.join(kinds())}")
    if kind in added(MODALITY):
        return added(MODALITY)[kind]
    return _checked(importlib.import_module(f"modalities.{kind}"), kind)


def public_scale_of(kind: str) -> PublicScale:
    """The plug-in of this kind as one that knows a public scale.

    Raises:
        TypeError: it knows none.
    """
    found = plugin(kind)
    if not isinstance(found, PublicScale):
        raise TypeError(f"modalities/{kind}: no `public_state`")
    return found


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
