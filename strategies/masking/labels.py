"""What a masked vector is for.

Seeds hang on it: a mask never hides two different vectors, and sites that were asked different things get masks that do
not cancel, so that nobody learns anything of the answers.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property


def threshold(n_members: int, least: int) -> int:
    """How many of a group's members must help to open its sum, and be in it.

    More than two thirds, so that a server that tells some that a site dropped out and others that it did not opens
    nothing unless a third of the members help it.
    """
    return max(least, 2 * n_members // 3 + 1)


@dataclass(frozen=True)
class Label:
    """One sum: of which group, in which run, in answer to which question."""

    study: str
    run: str
    group: str
    """A modality (its branch and fold copies), `fusion.<owner>`, `shared` or `study`."""
    members: Sequence[str]
    """The sites whose masks cancel, sorted by name."""
    keys: Mapping[str, bytes]
    """The X25519 public key of each."""
    question: str
    """Digest of all that the answer depends on and that every member was sent."""

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of all of it."""
        hashed = hashlib.sha256(b"tessera/label/v1")
        names = [word for site in self.members for word in (site.encode(), self.keys[site])]
        for word in (self.study.encode(), self.run.encode(), self.group.encode(), self.question.encode(), *names):
            hashed.update(len(word).to_bytes(4, "big") + word)
        return hashed.digest()
