"""What a SuperNode's log says, in plain words: connected, working on a message, or why it ended."""

import re
from collections.abc import Mapping
from pathlib import Path

_CONNECTED = "SuperNode ID:"
_REQUEST = re.compile(r"Receiving: (\S+) message")
_COMPLAINT = re.compile(r"^(?:not taking part|the request \S+ failed: ).*$", re.MULTILINE)

_MEANINGS: Mapping[str, str] = {
    "CERTIFICATE_VERIFY_FAILED": "the server's certificate is not of this study's authority, or has ended; compare "
    "coordinator.authority in site.yaml with the coordinator's ca.crt",
    "Failed to activate SuperNode": "the coordinator does not take this site's key: it is not enrolled, or was "
    "revoked, or the last connection with it is still held, here or on another machine, which passes within a minute; "
    "if this stays, send node.pub to the coordinator",
    # So it ends when the server answers 401; when this site stops it, nobody looks for a meaning.
    "SuperNode terminated gracefully": "the coordinator does not take this site's key any more: it was revoked, or "
    "this machine's clock is wrong; check the clock, and ask the coordinator",
    "Connection refused": "nothing listens there; the coordinator may be restarting",
    "Name or service not known": "no such server name; check coordinator.address in site.yaml",
    "address already in use": "another program uses port {port} of this machine; set coordinator.local_port in "
    "site.yaml to a free one, and join again",
}


class LogReader:
    """Reads what a log gains from now on."""

    def __init__(self, log: Path) -> None:
        """Skip what is there."""
        self._log = log
        self._at = log.stat().st_size if log.is_file() else 0
        self.said = ""
        """All of it."""
        self.connected = False
        self.request = ""
        """The kind of the last message that came."""
        self.complaints: list[str] = []
        """Why the site takes no part, or not with all that it has, in its own words; each once."""

    def read(self) -> bool:
        """Take in what is new; whether that changed anything that a person wants to know."""
        before = (self.connected, self.request, len(self.complaints))
        with self._log.open("rb") as file:
            file.seek(self._at)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        text = whole.decode("utf-8", "replace")
        self.said = (self.said + text)[-100_000:]
        self.connected = self.connected or _CONNECTED in text
        found = _REQUEST.findall(text)
        self.request = found[-1] if found else self.request
        self.complaints += [line for line in dict.fromkeys(_COMPLAINT.findall(text)) if line not in self.complaints]
        return (self.connected, self.request, len(self.complaints)) != before

    def meaning(self, local_port: int) -> str:
        """Why the SuperNode ended, in plain words where they are known."""
        found = next((text.format(port=local_port) for mark, text in _MEANINGS.items() if mark in self.said), "")
        return found or f"the SuperNode ended; {self._log} says more"
