"""Chromosomes and positions in the files of the GDC, which are of hg38."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from modalities.cnv.arms import AUTOSOMES, SEX_CHROMOSOMES, hg38
from modalities.core.files.delimited import refuse_any

_WHOLE = re.compile(r"\d{1,12}(\.0+)?")
_SCIENTIFIC = re.compile(r"\d(\.\d+)?[eE]\+?\d{1,2}")  # R writes 8.7e+07
_AGAIN = "download the file again"


def columns_of(path: Path, header: Sequence[str], names: Sequence[str], what: str) -> list[int]:
    """Where the columns stand.

    Raises:
        ValueError: one is not there.
    """
    refuse_any(path, [name for name in names if name not in header], "no column {}", f"is this a file of {what}?")
    return [header.index(name) for name in names]


def chromosomes_of(path: Path, cells: Sequence[str], others: Sequence[str] = ()) -> list[str]:
    """1 to 22, X and Y, with `chr` before them or not; `others` are let through."""
    found = [cell.strip().removeprefix("chr") for cell in cells]
    known = {*AUTOSOMES, *SEX_CHROMOSOMES, *others}
    wrong = [f"line {line}: {cell!r}" for line, cell in enumerate(found, start=2) if cell not in known]
    refuse_any(path, wrong, "no chromosome of 1 to 22, X or Y ({})", _AGAIN)
    return found


def spans_of(
    path: Path, chromosomes: Sequence[str], starts: Sequence[str], ends: Sequence[str]
) -> tuple[Int64[np.ndarray, " row"], Int64[np.ndarray, " row"]]:
    """First and last base of each row, 1-based.

    Raises:
        ValueError: a cell is no position, a row ends before it starts, or beyond its chromosome as hg19 may.
    """
    first, last = _positions(path, starts, "start"), _positions(path, ends, "end")
    turned = [f"line {row + 2}" for row in np.flatnonzero((last < first) | (first < 1)).tolist()]
    refuse_any(path, turned, "a row must start at 1 or more and end behind its start ({})", _AGAIN)
    length = np.array([hg38()["lengths"].get(name, np.iinfo(np.int64).max) for name in chromosomes], dtype=np.int64)
    beyond = [
        f"line {row + 2}: {last[row]} on chromosome {chromosomes[row]}"
        for row in np.flatnonzero(last > length).tolist()
    ]
    remedy = "coordinates of hg19 are not read: take the GRCh38 file of the GDC, or lift the segments over"
    refuse_any(path, beyond, f"{len(beyond)} rows end beyond their chromosome in hg38 ({{}})", remedy)
    return first, last


def _positions(path: Path, cells: Sequence[str], what: str) -> Int64[np.ndarray, " row"]:
    texts = [cell.strip() for cell in cells]
    wrong = [
        f"line {line}: {text!r}"
        for line, text in enumerate(texts, start=2)
        if not (_WHOLE.fullmatch(text) or _SCIENTIFIC.fullmatch(text))
    ]
    refuse_any(path, wrong, f"{what} is no position in {{}}", _AGAIN)
    # beyond any chromosome but within int64, whatever the exponent
    return np.array([min(int(float(text)), 10**15) for text in texts], dtype=np.int64)
