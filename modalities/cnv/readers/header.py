"""The header of a file, to tell its format by: read without the rest, and never a reason to stop."""

import gzip
import re
import zlib
from pathlib import Path

from modalities.core.files.delimited import delimiter_of

_BYTES = 4096


def header_of(path: Path) -> list[str]:
    """The first column names; [""] of a file that cannot be read, whose reader says why."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            text = file.read(_BYTES).decode("utf-8-sig", errors="replace")
    except (OSError, EOFError, zlib.error):
        return [""]
    return [cell.strip(' "') for cell in re.split(r"[\r\n]", text)[0].split(delimiter_of(path))]
