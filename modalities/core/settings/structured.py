"""Plain values from YAML or JSON into settings: every problem at once, with its place, the value and a suggestion."""

import dataclasses
import difflib
import reprlib
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from modalities.core.problems import Problem, problems_of

_SAID = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dataclass_type": "must be a section with settings",
    "dict_type": "must be a section",
    "finite_number": "must be a finite number",
    "float_type": "must be a number, without quotes",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_type": "must be a whole number, without quotes",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
}
_ATTEMPTS = 4
"""Rules that hold between settings are asked once each of these is right by itself, from the innermost section out."""
_VALUE = reprlib.Repr()
_VALUE.maxstring = _VALUE.maxother = _VALUE.maxlong = 100


def structured(cls: type, preset: Mapping[str, Any], values: Any, where: str, problems: list[Problem]) -> Any:
    """The settings of these values over the preset over the defaults; a value of None leaves what is below it.

    Problems are added to the list, and then None is given.
    """
    before = len(problems)
    settings = as_far_as_possible(cls, values, where, problems, preset)
    return settings if len(problems) == before else None


def as_far_as_possible(
    cls: type, values: Any, where: str, problems: list[Problem], preset: Mapping[str, Any] | None = None
) -> Any:
    """The settings of the values that are right, with defaults for the others: to look further for problems."""
    if not isinstance(values, Mapping):
        problems.append(Problem(f"must be a section with settings, got {_VALUE.repr(values)}", where=where))
        return cls()
    plain = over(over(plain_of(cls()), preset or {}), values)
    for _ in range(_ATTEMPTS):
        try:
            settings = _adapter(cls).validate_python(plain)
        except ValidationError as error:
            for wrong in error.errors(include_url=False):
                problems += _said(cls, where, wrong)
                _take_out(plain, wrong["loc"])
        else:
            lookups = _lookups(settings, where)
            problems += [Problem("`${` is not allowed in a setting", where=place) for place in lookups]
            return settings
    return cls()


def unknown_key(key: str, known: Iterable[str], prefix: str) -> Problem:
    """The problem of a key that is not known, with the nearest one that is."""
    near = difflib.get_close_matches(key, list(known), n=1, cutoff=0.0)
    return Problem("no such setting", f"did you mean {near[0]!r}?", where=f"{prefix}{key}")


def plain_of(settings: Any) -> dict[str, Any]:
    """The settings as plain values; `dataclasses.asdict` would take a hundred times as long over 20,000 features."""
    return _adapter(type(settings)).dump_python(settings)


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def over(below: Mapping[str, Any], values: Mapping[Any, Any]) -> dict[str, Any]:
    """The values over those below, section by section; None leaves what is below."""
    merged = dict(below)
    for key, value in values.items():
        name, under = str(key), below.get(str(key))
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            merged[name] = over(under, value)
        elif isinstance(value, Mapping):  # a section under a name of the user's own, such as `sources.hif`
            merged[name] = {str(key): given for key, given in value.items() if given is not None}
        elif value is not None or name not in below:
            merged[name] = value
    return merged


def _said(cls: type, where: str, wrong: Any) -> list[Problem]:
    """One of pydantic's errors as problems: a rule of ours between settings may find several."""
    path, context = wrong["loc"], wrong.get("ctx", {})
    if wrong["type"] == "unexpected_keyword_argument":
        return [unknown_key(str(path[-1]), _known(cls, path[:-1]), "".join(f"{step}." for step in (where, *path[:-1])))]
    place = ".".join(str(step) for step in (where, *path))
    if wrong["type"] == "value_error":
        return problems_of(context["error"], where=place)
    said = _SAID[wrong["type"]].format(**context) if wrong["type"] in _SAID else wrong["msg"]
    remedy = "put it in quotes" if wrong["type"] == "string_type" and isinstance(wrong["input"], bool) else ""
    return [Problem(f"{said}, got {_VALUE.repr(wrong['input'])}", remedy, where=place)]


def _known(kind: Any, path: Sequence[int | str]) -> Iterable[str]:
    """The settings of the section at this path."""
    for step in path:
        kind = (typing.get_args(kind)[1:] or [kind.__pydantic_fields__[step].annotation])[0]
    return kind.__pydantic_fields__


def _take_out(plain: dict[str, Any], path: Sequence[int | str]) -> None:
    """Leave the default in place of a wrong value: of the whole list for one of its entries, of all for a whole."""
    section: Any = plain
    steps = list(path)
    while len(steps) > 1 and isinstance(section.get(steps[0]), dict):
        section = section[steps.pop(0)]
    if steps:
        section.pop(steps[0], None)
    else:
        section.clear()


def _lookups(value: Any, where: str) -> Iterator[str]:
    """Where `${...}` stands: OmegaConf would look something up, which no setting needs."""
    if dataclasses.is_dataclass(value):
        for entry in dataclasses.fields(value):
            yield from _lookups(getattr(value, entry.name), f"{where}.{entry.name}")
    elif "${" in str(value):
        yield where
