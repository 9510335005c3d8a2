"""The header of a table, to tell its format by: read without the rest, and never a reason to stop."""

import gzip
import re
import zlib
from contextlib import suppress
from pathlib import Path

from modalities.core.files.decoding import beginning_of
from modalities.core.files.splitting import NAMES
from modalities.core.files.workbook import cells_of, is_workbook

_BYTES = 4096


def header_of(path: Path, sheet: str = "") -> list[str]:
    """The first column names; [""] of a file that cannot be read, whose reader says why."""
    if is_workbook(path):
        with suppress(ValueError):
            return [cell.strip() for cell in cells_of(path, sheet, comment="")[0]]
        return [""]
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            text = beginning_of(file.read(_BYTES))
    except (OSError, EOFError, zlib.error):
        return [""]
    lines = re.split(r"[\r\n]+", text)
    line = next((line for line in lines[:2] if not line.lower().startswith(("sep=", '"sep='))), "")
    return [cell.strip(' "') for cell in line.split(max(NAMES, key=line.count))]
