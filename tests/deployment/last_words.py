"""What a deployment that ran out of time shows: was it slow, or did it stand still, and who was it?"""

import re
from pathlib import Path

from server.state.status import STATUS

_CHARACTERS = 1000
_ASKED = re.compile("list-runs|ListRuns")
"""Somebody asked how the run stands: of such lines a still study's log is full."""


def last_words(folder: Path) -> str:
    """The ends of all that was logged there, the sites' last, where a cut-off output still has them."""
    words = []
    logs = [*folder.glob("*.out"), *folder.rglob("*.log"), *folder.rglob(STATUS)]
    for log in sorted(logs, key=lambda log: (log.name == "site.log", log)):
        lines = [line for line in log.read_text(errors="replace").splitlines() if not _ASKED.search(line)]
        words.append(f"--- {log.relative_to(folder)}\n" + "\n".join(lines)[-_CHARACTERS:])
    return "\n".join(words)
