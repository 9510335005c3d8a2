"""What a file of segments says of one sample, whatever the file looked like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from modalities.cnv.genome import AUTOSOMES, SEX_CHROMOSOMES, Assembly
from modalities.cnv.readers.coordinates import AGAIN
from modalities.core.files.tables.delimited import refuse_any

LOG2, RATIO, COPIES, CALLS = UNITS = ("log2", "ratio", "copies", "calls")
"""log2 of a ratio to the tumour's own baseline; that ratio; whole copies, or the mean over cells; -2 to 2."""


@dataclass(frozen=True)
class Profile:
    """The segments of a sample on chromosomes 1 to 22, X and Y."""

    path: Path
    sample: str
    """As the file calls it; empty where it does not."""
    genome: Assembly
    chromosomes: tuple[str, ...]
    starts: Int64[np.ndarray, " segment"]
    """First base, 1-based."""
    ends: Int64[np.ndarray, " segment"]
    """Last base, which belongs to the segment."""
    values: Mapping[str, Float[np.ndarray, " segment"]]
    """By unit; NaN where the file says none."""
    n_beside: int = 0
    """Segments on the mitochondrion and on contigs beside the chromosomes, left out."""
    n_other: int = 0
    """Records of the file that are no copy number."""

    def __len__(self) -> int:
        """How many segments."""
        return len(self.chromosomes)

    @property
    def n_on_sex_chromosomes(self) -> int:
        """Segments on X and Y."""
        return sum(name in SEX_CHROMOSOMES for name in self.chromosomes)

    @property
    def autosomal_bases(self) -> Float[np.ndarray, " segment"]:
        """How many bases of the autosomes each segment covers."""
        return np.where(np.isin(self.chromosomes, AUTOSOMES), self.ends - self.starts + 1, 0).astype(np.float64)


def profiles_of(
    path: Path,
    genome: Assembly,
    samples: Sequence[str],
    chromosomes: Sequence[str],
    starts: Int64[np.ndarray, " row"],
    ends: Int64[np.ndarray, " row"],
    values: Mapping[str, Float[np.ndarray, " row"]],
    lines: Sequence[int],
) -> list[Profile]:
    """The rows of a file by sample, in its order; a chromosome "" is no chromosome.

    Raises:
        ValueError: segments of a sample overlap.
    """
    rows_of: dict[str, list[int]] = {}
    for row, sample in enumerate(samples):
        rows_of.setdefault(sample, []).append(row)
    placed = {sample: np.array([row for row in rows if chromosomes[row]], np.int64) for sample, rows in rows_of.items()}
    twice = [line for rows in placed.values() for line in _overlapping(rows, chromosomes, starts, ends, lines)]
    refuse_any(path, twice, "segments overlap those before them ({})", AGAIN)
    return [
        Profile(
            path,
            sample,
            genome,
            tuple(str(chromosomes[row]) for row in rows.tolist()),
            starts[rows],
            ends[rows],
            {unit: column[rows] for unit, column in values.items()},
            len(rows_of[sample]) - len(rows),
        )
        for sample, rows in placed.items()
    ]


def _overlapping(
    rows: Int64[np.ndarray, " row"],
    chromosomes: Sequence[str],
    starts: Int64[np.ndarray, " line"],
    ends: Int64[np.ndarray, " line"],
    lines: Sequence[int],
) -> list[str]:
    """Rows that lie on others; that two share a base is how some programs write them."""
    order = sorted(rows.tolist(), key=lambda row: (chromosomes[row], starts[row]))
    return [
        f"line {lines[row]}"
        for before, row in pairwise(order)
        if chromosomes[before] == chromosomes[row] and starts[row] < ends[before]
    ]
