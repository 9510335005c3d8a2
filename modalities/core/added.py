"""What a program adds to the files: fusion heads, aggregation rules and modalities that this process alone knows."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

HEAD, RULE, MODALITY = "fusion head", "aggregation rule", "modality"
_ADDED: dict[str, dict[str, Any]] = defaultdict(dict)


def add(what: str, name: str, thing: Any, known: Collection[str]) -> None:
    """Keep it under this name; one that was added before under the same name makes way, as where a cell runs again.

    Raises:
        ValueError: the name is none, or that of a file.
    """
    if not name.isidentifier():
        raise ValueError(f"a {what}'s name must be letters, digits and _, got {name!r}")
    if name in known and name not in _ADDED[what]:
        raise ValueError(f"the {what} {name!r} is among the files already; choose another name")
    _ADDED[what][name] = thing


def take_out(what: str, name: str) -> None:
    """Forget what was added under this name, if anything was."""
    _ADDED[what].pop(name, None)


def added(what: str) -> Mapping[str, Any]:
    """What was added, by name."""
    return dict(_ADDED[what])
