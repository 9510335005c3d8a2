"""Flower's log: what a ServerApp writes there can be read by whoever started the run, with `flwr log`."""

import logging
import traceback

from modalities.core.logs import plain, printed


def log(level: int, text: str, *values: object, exc_info: bool = False) -> None:
    """A line of it; a name that came from elsewhere begins no other line, and acts on no terminal."""
    lines = [plain(text % values)]
    if exc_info:
        lines += [f"  {line}" for line in printed(traceback.format_exc())]
    logging.getLogger("flwr").log(level, "%s", "\n".join(lines))
