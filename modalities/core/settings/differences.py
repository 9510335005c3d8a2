"""What two federation.yaml differ in, for messages."""

from collections.abc import Iterator, Mapping
from typing import Any

from modalities.core.files.tables.delimited import listing
from modalities.core.settings.federation import Federation

_LONG = 8
"""Longer lists are compared, not shown."""
_Two = Mapping[str, Any]
"""What each side is called -> what it says."""


def differences(sides: Mapping[str, Federation]) -> list[str]:
    """The settings that differ between the two sides, by dotted key, with both values."""
    return list(_unlike({side: settings.to_dict() for side, settings in sides.items()}, ""))


def _unlike(sides: _Two, where: str) -> Iterator[str]:
    (one_side, one), (other_side, other) = sides.items()
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in (*one, *(key for key in other if key not in one)):
            place = f"{where}.{key}" if where else str(key)
            if key in one and key in other:
                yield from _unlike({one_side: one[key], other_side: other[key]}, place)
            else:
                has, lacks = (one_side, other_side) if key in one else (other_side, one_side)
                yield f"{place}: {has}, not {lacks}"
    elif one != other:
        yield f"{where}: {_both(sides)}"


def _both(sides: _Two) -> str:
    """Both values; of long lists, what one has and the other has not."""
    (one_side, one), (other_side, other) = sides.items()
    if not (isinstance(one, list) and isinstance(other, list) and max(len(one), len(other)) > _LONG):
        return f"{one_side} {one!r}, {other_side} {other!r}"
    left = {one_side: sorted(set(one) - set(other)), other_side: sorted(set(other) - set(one))}
    only = [f"{len(names)} only in those {side} ({listing(names)})" for side, names in left.items() if names]
    return f"{one_side} {len(one)}, {other_side} {len(other)}, {', '.join(only) or 'in another order'}"
