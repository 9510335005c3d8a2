"""Why a site takes no part, or not with all that it has: kept as data beside its log, for `join` and `status`."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from client.node.home import Home
from modalities.core.logs import PlainFormatter

COMPLAINT = {"complaint": True}
"""The `extra` of a log record that the people of the site are shown."""
_LOGGER, _MOST = "tessera.client", 100


class _Keeper(logging.Handler):
    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        """A line for each complaint that is not there yet; a full disk stops no task."""
        known = _read(self._file)
        if not getattr(record, "complaint", False) or record.getMessage() in known or len(known) >= _MOST:
            return
        with suppress(OSError), self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": record.created, "text": record.getMessage()}) + "\n")


@contextmanager
def complaints_kept(home: Home | None) -> Iterator[None]:
    """Keep what is complained of in the block; nothing where there is no home, as in a simulation."""
    if home is None:
        yield
        return
    logger = logging.getLogger(_LOGGER)
    logger.setLevel(logging.INFO)
    handlers = [_Keeper(home.complaints), logging.StreamHandler()]  # beside one handler, the log needs one of its own
    handlers[1].setFormatter(PlainFormatter())
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            logger.removeHandler(handler)


def complaints_of(home: Home) -> list[str]:
    """What was complained of since the site connected, each once, in the order of time."""
    return _read(home.complaints)


def _read(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.is_file() else []
    return [json.loads(line)["text"] for line in lines if line.endswith("\n")]  # the last may be half written
