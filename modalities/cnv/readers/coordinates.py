"""Chromosomes and positions in copy-number files, held against the assembly that the file is of."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from modalities.cnv.genome import ASSEMBLIES, AUTOSOMES, SEX_CHROMOSOMES, Assembly, assembly
from modalities.core.files.tables.delimited import refuse_any

_WHOLE = re.compile(r"\d{1,12}(\.0+)?")
_SCIENTIFIC = re.compile(r"\d(\.\d+)?[eE]\+?\d{1,2}")  # R writes 8.7e+07
_UNPLACED = re.compile(
    r"(\d{1,2}|[XY]|Un)_\w+|(GL|KI|JH|KB|KN|KQ|KV|KZ|ML|MU|NC_|NT_|NW_)[\w.]+|HLA-.+|hs37d5\w*|EBV|NC_007605",
    re.IGNORECASE,
)
_MITOCHONDRION = ("M", "MT")
_SEX_NUMBERS = {"23": "X", "24": "Y", "25": "MT"}
AGAIN = "export or download the file again"


def columns_of(path: Path, header: Sequence[str], names: Sequence[str], what: str) -> list[int]:
    """Where the columns stand.

    Raises:
        ValueError: one is not there.
    """
    refuse_any(path, [name for name in names if name not in header], "no column {}", f"is this a file of {what}?")
    return [header.index(name) for name in names]


def chromosomes_of(path: Path, cells: Sequence[str], lines: Sequence[int], *, numbered: bool = False) -> list[str]:
    """1 to 22, X and Y, with `chr` before them or not; "" for the mitochondrion and for contigs beside chromosomes.

    With `numbered`, 23 and 24 are X and Y, as R's packages write them.

    Raises:
        ValueError: a cell is none of these.
    """
    names = [re.sub(r"^chr", "", cell.strip(), flags=re.IGNORECASE).upper() for cell in cells]
    names = [_SEX_NUMBERS.get(name, name) for name in names] if numbered else names
    known = {*AUTOSOMES, *SEX_CHROMOSOMES}
    beside = [name in _MITOCHONDRION or bool(_UNPLACED.fullmatch(name)) for name in names]
    wrong = [
        f"line {line}: {name!r}"
        for line, name, is_beside in zip(lines, names, beside, strict=True)
        if not is_beside and name not in known
    ]
    refuse_any(path, wrong, "no chromosome of 1 to 22, X or Y ({})", AGAIN)
    return ["" if is_beside else name for name, is_beside in zip(names, beside, strict=True)]


def spans_of(
    path: Path,
    chromosomes: Sequence[str],
    starts: Sequence[str],
    ends: Sequence[str],
    lines: Sequence[int],
    genome: Assembly,
    *,
    first_base: int = 1,
) -> tuple[Int64[np.ndarray, " row"], Int64[np.ndarray, " row"]]:
    """First and last base of each row, 1-based; where the file counts from `first_base` 0, its end is not inside.

    Raises:
        ValueError: a cell is no position, a row ends before it starts, or beyond its chromosome.
    """
    first = _positions(path, starts, lines, "start") + (1 - first_base)
    last = _positions(path, ends, lines, "end")
    turned = [f"line {lines[row]}" for row in np.flatnonzero((last < first) | (first < 1)).tolist()]
    refuse_any(path, turned, f"a row must start at {first_base} or more and end behind its start ({{}})", AGAIN)
    rows = np.flatnonzero(last > _ends(chromosomes, genome)).tolist()
    beyond = [f"line {lines[row]}: {last[row]} on chromosome {chromosomes[row]}" for row in rows]
    what = f"{len(beyond)} rows end beyond their chromosome in {genome.name} ({{}})"
    refuse_any(path, beyond, what, _remedy(chromosomes, last, genome))
    return first, last


def _remedy(chromosomes: Sequence[str], ends: Int64[np.ndarray, " row"], genome: Assembly) -> str:
    others = [name for name in ASSEMBLIES if (ends <= _ends(chromosomes, assembly(name))).all()]
    if not others:
        return f"they lie on neither {' nor '.join(ASSEMBLIES)}: of which assembly is the file?"
    remedy = f"if the file is of it, say `assembly: {others[0]}` under sources.cnv in site.yaml"
    return f"they end on it in {others[0]}: {remedy}"


def _ends(chromosomes: Sequence[str], genome: Assembly) -> Int64[np.ndarray, " row"]:
    return np.array([genome.lengths.get(name, np.iinfo(np.int64).max) for name in chromosomes], dtype=np.int64)


def _positions(path: Path, cells: Sequence[str], lines: Sequence[int], what: str) -> Int64[np.ndarray, " row"]:
    texts = [cell.strip() for cell in cells]
    wrong = [
        f"line {line}: {text!r}"
        for line, text in zip(lines, texts, strict=True)
        if not (_WHOLE.fullmatch(text) or _SCIENTIFIC.fullmatch(text))
    ]
    refuse_any(path, wrong, f"{what} is no position in {{}}", AGAIN)
    # beyond any chromosome but within int64, whatever the exponent
    return np.array([min(int(float(text)), 10**15) for text in texts], dtype=np.int64)
