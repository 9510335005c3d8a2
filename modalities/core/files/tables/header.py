"""The header of a table, to tell its format by: read without the rest, and never a reason to stop."""

import gzip
import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from modalities.core.files.tables.decoding import beginning_of
from modalities.core.files.tables.splitting import NAMES
from modalities.core.files.tables.workbook import first_row_of, is_workbook

_BYTES = 4096
_BYTES_OF_COMMENTS = 2**20
"""A SAM-style header names some three thousand contigs, in 200 kB."""


def header_of(path: Path, sheet: str = "", is_comment: Callable[[str], bool] | None = None) -> list[str]:
    """The first column names; [""] of a file that cannot be read, whose reader says why.

    Of text, lines above the header are left out where `is_comment` says so.
    """
    if is_workbook(path):
        with suppress(ValueError):
            return [cell.strip() for cell in first_row_of(path, sheet)] or [""]
        return [""]
    lines = head_of(path, _BYTES_OF_COMMENTS if is_comment else _BYTES)
    if is_comment:
        lines = [line for line in lines if not is_comment(line)]
    line = next((line for line in lines[:2] if not line.lower().startswith(("sep=", '"sep='))), "")
    return [cell.strip(' "') for cell in line.split(max(NAMES, key=line.count))]


def head_of(path: Path, n_bytes: int = _BYTES_OF_COMMENTS) -> list[str]:
    """The first lines; none of a file that cannot be read."""
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            return re.split(r"[\r\n]+", beginning_of(file.read(n_bytes)))
    except (OSError, EOFError, zlib.error):
        return []
