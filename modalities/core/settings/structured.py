"""Plain values from YAML or JSON into frozen dataclasses: every problem found, each with its place and a suggestion."""

import dataclasses
import difflib
import typing
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException


def structured(cls: type, preset: Mapping[str, Any], values: Any, where: str, problems: list[str]) -> Any:
    """The dataclass of these values over the preset over its defaults; a value of None leaves what is below it.

    Problems are added to the list, and then None is given.
    """
    before = len(problems)
    found = _over(cls(), preset, values, where, problems)
    return found if len(problems) == before else None


def as_far_as_possible(cls: type, values: Any, where: str, problems: list[str]) -> Any:
    """The dataclass of the values that are right, with defaults for the others: to look further for problems."""
    return _over(cls(), {}, values, where, problems)


def unknown_key(key: str, known: Mapping[str, Any], prefix: str) -> str:
    """The problem of a key that is not known, with the nearest one that is."""
    near = difflib.get_close_matches(str(key), list(known), n=1, cutoff=0.0)
    return f"{prefix}{key}: no such setting; did you mean {near[0] if near else ', '.join(known)!r}?"


def _over(default: Any, preset: Mapping[str, Any], values: Any, where: str, problems: list[str]) -> Any:
    """The dataclass `default` with the preset and the values over it, section by section."""
    if not isinstance(values, Mapping):
        problems.append(f"{where}: must be a section with settings, got {values!r}")
        return default
    known = {entry.name: entry.type for entry in dataclasses.fields(default)}
    problems += [unknown_key(str(key), known, f"{where}.") for key in values if key not in known]
    found, flat = {}, None
    for key, kind in known.items():
        place, below, given = f"{where}.{key}", preset.get(key), values.get(key)
        if dataclasses.is_dataclass(kind):
            section = {} if given is None else given
            found[key] = _over(getattr(default, key), below or {}, section, place, problems)
        elif (entry := _entry_type(kind)) is not None and isinstance(given, Mapping):
            found[key] = {
                str(name): _over(entry(), {}, own or {}, f"{place}.{name}", problems) for name, own in given.items()
            }
        elif _needs_no_check(kind, given):
            found[key] = list(given) if isinstance(given, list) else given
        elif given is not None or below is not None:
            flat = _writable(default) if flat is None else flat
            _put(flat, key, below, place, problems)
            _put(flat, key, given, place, problems)
            found[key] = _plain(flat[key])
    try:
        return dataclasses.replace(default, **found)
    except ValueError as error:
        problems.append(f"{where}: {error}")
        return default


def _needs_no_check(kind: Any, given: Any) -> bool:
    """Whether this is of its field's type as it stands: OmegaConf would take milliseconds to find that out."""
    if kind == list[str]:
        return isinstance(given, list) and all(_needs_no_check(str, word) for word in given)
    return kind in (bool, int, float, str) and type(given) is kind and "${" not in str(given)


def _writable(default: Any) -> DictConfig:
    """The dataclass as OmegaConf checks settings against it."""
    flat = OmegaConf.structured(default)
    OmegaConf.set_readonly(flat, False)  # which frozen dataclasses make it
    return flat


def _plain(value: Any) -> Any:
    """A setting as OmegaConf keeps it, as itself."""
    return OmegaConf.to_object(value) if OmegaConf.is_config(value) else value


def _entry_type(kind: Any) -> Any:
    """The dataclass D of a field of type dict[str, D]; None for any other type."""
    entry = typing.get_args(kind)[1:] if typing.get_origin(kind) is dict else ()
    return entry[0] if entry and dataclasses.is_dataclass(entry[0]) else None


def _put(flat: DictConfig, key: str, value: Any, place: str, problems: list[str]) -> None:
    """One setting, checked for its type; `${...}` would make OmegaConf look things up, which no setting needs."""
    if value is None:
        return
    if "${" in str(value):
        problems.append(f"{place}: `${{` is not allowed in a setting")
        return
    if isinstance(value, list) and (within := [one for one in value if isinstance(one, list | Mapping)]):
        problems.append(f"{place}: must be a plain list, got {within[0]!r} in it")  # OmegaConf would take it
        return
    try:
        flat.merge_with({key: value})
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        problems.append(f"{place}: {str(error).splitlines()[0]}")
