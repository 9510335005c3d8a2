"""What a message holds, in words that JSON knows, and the digest of all of it."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from strategies.flower.arrays import sha256_of

Content = Mapping[str, Mapping[str, Any]]
"""Record -> name -> an array or a plain value."""
_LONGEST, _MOST = 200, 64
"""Characters of a text, and numbers of a list, that are written out; of longer ones size and digest are."""


def contents_of(content: Content) -> dict[str, dict[str, Any]]:
    """By record and name the value itself, or of an array its type and shape."""
    return {key: {name: _in_words(value) for name, value in record.items()} for key, record in content.items()}


def digest_of_content(content: Content) -> str:
    """SHA-256 of records, names, types, shapes and values, in the order of the names; how they travel is no matter.

    Of an array SHA-256 of its values is in it.
    """
    digest = hashlib.sha256()
    for key in sorted(content):
        digest.update(_line([key]))
        for name, value in sorted(content[key].items()):
            if hasattr(value, "numpy"):
                digest.update(_line([name, value.dtype, list(value.shape), sha256_of(value)]))
            else:
                digest.update(_line([name, value.hex() if isinstance(value, bytes) else value]))
    return digest.hexdigest()


def _in_words(value: Any) -> Any:
    if hasattr(value, "shape"):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, bytes):
        return f"bytes[{len(value)}]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"text[{len(value)}] sha256 {hashlib.sha256(value.encode()).hexdigest()}"
    if isinstance(value, list):
        many = f"list[{len(value)}] sha256 {hashlib.sha256(_line(value)).hexdigest()}" if len(value) > _MOST else ""
        return many or [_in_words(each) for each in value]
    return value


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, default=repr).encode() + b"\n"
