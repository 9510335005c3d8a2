"""The site's own list of what it sent: a line a reply in `.tessera/sent.jsonl`, written before the reply leaves."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client.node.home import Home


def list_as_sent(site: Path, message_type: str, content: Mapping[str, Mapping[str, Any]]) -> None:
    """Add a reply to the list: by record and name the value itself, or of an array its type and shape.

    Raises:
        OSError: the list cannot be written; then the reply must not leave.
    """
    line = {"time": time.time(), "message": message_type, "holds": contents_of(content)}
    home = Home(site)
    home.folder.mkdir(exist_ok=True)
    with home.sent.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def contents_of(content: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the records hold, in words that JSON knows."""
    return {key: {name: _in_words(value) for name, value in record.items()} for key, record in content.items()}


def _in_words(value: Any) -> Any:
    return f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else value
