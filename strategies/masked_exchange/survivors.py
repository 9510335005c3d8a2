"""Which sites' sum was to be opened for which inputs: another set would tell a single site's answer.

The sites keep the same, and refuse another set; the server keeps it so as not to ask for one after it was stopped.
"""

from collections.abc import Sequence
from pathlib import Path

from modalities.core.files.journal import entries_of, journal

_REMEDY = "move it away: the sites know whose sums they opened, and refuse others"


class Survivors:
    """A line for each, in a file beside the checkpoint; None keeps them in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        entries = entries_of(path, _REMEDY) if path is not None else []
        self._known: dict[str, list[str]] = {entry["inputs"]: entry["sites"] for entry in entries}

    def of(self, inputs: str) -> list[str]:
        """The sites that were settled on; empty for inputs that no sum was opened of before."""
        return self._known.get(inputs, [])

    def settle(self, inputs: str, sites: Sequence[str]) -> None:
        """From now on these and no others; on disk before anybody is asked to open their sum."""
        if inputs in self._known:
            return
        self._known[inputs] = list(sites)
        if self._path is not None:
            with journal(self._path, _REMEDY) as kept:
                kept.add({"inputs": inputs, "sites": list(sites)})
