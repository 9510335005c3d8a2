"""Why a site takes no part, or not with all that it has: read from its own log, where its tasks say it."""

import re
from pathlib import Path

_COMPLAINT = re.compile(r"^(?:not taking part|the request \S+ failed: ).*$", re.MULTILINE)


class LogReader:
    """Reads what a log gains from now on."""

    def __init__(self, log: Path) -> None:
        """Skip what is there."""
        self._log = log
        self._at = log.stat().st_size if log.is_file() else 0
        self.complaints: list[str] = []
        """Each once, in the site's own words."""

    def read(self) -> None:
        """Take in what is new."""
        with self._log.open("rb") as file:
            file.seek(self._at)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        text = whole.decode("utf-8", "replace")
        self.complaints += [line for line in dict.fromkeys(_COMPLAINT.findall(text)) if line not in self.complaints]
