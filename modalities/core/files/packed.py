"""How much a packed file may hold: one of kilobytes that unpacks to gigabytes was made to fill a memory."""

from pathlib import Path

from modalities.core.problems import unusable

MOST_PACKED = 100
"""How many times smaller than its values a file may be."""
SLACK_BYTES = 16 * 2**20
"""So much, a file may hold whatever its size."""


def most_bytes(n_packed: int) -> int:
    """What a file of so many bytes may unpack to."""
    return MOST_PACKED * n_packed + SLACK_BYTES


def refuse_bomb(path: Path, n_bytes: int, n_packed: int) -> None:
    """Refuse a file of `n_packed` bytes that unpacks to so many, or to more.

    Raises:
        ValueError: they are more than any export has.
    """
    if n_bytes > most_bytes(n_packed):
        what = f"{n_packed:,} bytes that unpack to more than {most_bytes(n_packed):,}, as no export does"
        raise unusable(what, "if it is meant so, save it unpacked, as .csv", file=path.name)
