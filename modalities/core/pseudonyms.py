"""Pseudonyms in place of a hospital's own numbers: nobody without the key can work one out or lead it back.

A pseudonym is the beginning of HMAC-SHA256(key, number), so the same number has the same one in every file, and a new
patient needs no list. The key and the list that leads back lie in one file at the site, for its owner alone.
"""

import base64
import hmac
import json
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from modalities.core.files.atomic import replacing
from modalities.core.keyfiles import read_private, write_private
from modalities.core.problems import unusable

_KEY_BYTES = 32
_LETTERS = 12
"""Of base32, 60 bits: among 100,000 patients two share a pseudonym with a chance of 4e-9."""
_FORM = re.compile(r"P(-[A-Z2-7]{4}){3}")
_ABOUT = "Who holds this file can tell which patient a pseudonym is. Keep it, and a copy, where only you can read."


@dataclass(frozen=True)
class Pseudonyms:
    """A site's key and the list of the numbers that it was used for."""

    key: bytes = field(repr=False)
    numbers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Pseudonym -> the hospital's number."""

    def of(self, case_id: str) -> str:
        """The pseudonym of a case; a pseudonym and a blank stay what they are."""
        number = unicodedata.normalize("NFC", case_id.strip())
        if not number or _FORM.fullmatch(number):
            return number
        letters = base64.b32encode(hmac.digest(self.key, number.encode(), "sha256")).decode()[:_LETTERS]
        return "-".join(["P", *(letters[first : first + 4] for first in range(0, _LETTERS, 4))])

    def with_numbers(self, case_ids: Iterable[str]) -> "Pseudonyms":
        """With these numbers on the list; what is on it stays.

        Raises:
            ValueError: two numbers have one pseudonym.
        """
        numbers = dict(self.numbers)
        for case_id in case_ids:
            pseudonym = self.of(case_id)
            if pseudonym and pseudonym != case_id.strip() and numbers.setdefault(pseudonym, case_id) != case_id:
                raise unusable("two cases have one pseudonym", "delete the file of the key and make a new one")
        return replace(self, numbers=numbers)

    def write(self, path: Path) -> None:
        """The file anew, whole or not at all, readable by its owner alone from its first byte on."""
        content = {"about": _ABOUT, "key": self.key.hex(), "numbers": dict(self.numbers)}
        with replacing(path) as beside:
            write_private(beside, json.dumps(content, indent=1, ensure_ascii=False).encode())


def new_pseudonyms() -> Pseudonyms:
    """A fresh key, and nobody on the list."""
    return Pseudonyms(secrets.token_bytes(_KEY_BYTES))


def read_pseudonyms(path: Path) -> Pseudonyms:
    """The key and the list.

    Raises:
        ValueError: the file is absent, others can read it, or it is damaged: then no pseudonym may be made with it.
    """
    if not path.is_file():
        remedy = "make it with `tessera-client pseudonymise`, or take `pseudonyms` out of site.yaml"
        raise unusable("no such file", remedy, file=str(path))
    if (read := _read(read_private(path))) is not None:
        return read
    raise unusable("it is damaged: key and list do not fit", "put its copy in its place", file=str(path))


@lru_cache(maxsize=4)
def _read(content: bytes) -> Pseudonyms | None:
    """Once as long as the file holds the same; None of a damaged one."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        held = json.loads(content)
        read = Pseudonyms(bytes.fromhex(held["key"]), dict(held["numbers"]))
        if len(read.key) == _KEY_BYTES and all(read.of(number) == name for name, number in read.numbers.items()):
            return read
    return None
