"""Chromosome arms: the 39 inputs of `values: arms`, from segments or from genes.

The 22 autosomes' arms but the short ones of 13, 14, 15, 21 and 22, which carry repeats and hardly a gene or a probe.
A gene's arm is that of hg38; an assembly moves hardly a gene over a centromere.
"""

import json
from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float, Float32, Int64

from modalities.cnv.genome import AUTOSOMES, REFERENCE, Assembly

_ACROCENTRIC = ("13", "14", "15", "21", "22")
ARMS = tuple(
    f"{chromosome}{side}" for chromosome in AUTOSOMES for side in "pq" if side == "q" or chromosome not in _ACROCENTRIC
)
MIN_COVERED = 0.5
"""An arm is known where segments cover this share of it; the GDC's masked arrays cover .8 or more of every arm."""


@cache
def _arm_by_gene() -> dict[str, str]:
    genes = json.loads((REFERENCE / "genes.json").read_text(encoding="utf-8"))["genes"]
    return {name: arm for arm, names in genes.items() for name in names.split()}


def arm_of_gene(name: str) -> str | None:
    """The arm of a gene by its symbol, of any chromosome; None for a name that the table does not have.

    GISTIC writes `NAME|chr7` for one of several genes of a name.
    """
    return _arm_by_gene().get(name.partition("|")[0].strip().upper())


def means_over_genes(
    values: Float32[np.ndarray, "case gene"], arms: Sequence[str | None]
) -> Float32[np.ndarray, "case arm"]:
    """Of each of ARMS the mean over its genes that are not missing; NaN where there is none."""
    result = np.full((len(values), len(ARMS)), np.nan, dtype=np.float32)
    for place, arm in enumerate(ARMS):
        own = values[:, [column for column, one in enumerate(arms) if one == arm]]
        known = np.isfinite(own)
        n, total = known.sum(axis=1), np.where(known, own, 0).sum(axis=1, dtype=np.float64)
        result[:, place] = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
    return result


def means_over_segments(
    chromosomes: Sequence[str],
    starts: Int64[np.ndarray, " segment"],
    ends: Int64[np.ndarray, " segment"],
    means: Float[np.ndarray, " segment"],
    genome: Assembly,
) -> Float32[np.ndarray, " arm"]:
    """Of each of ARMS the mean over the bases that segments cover; NaN where they cover less than MIN_COVERED.

    Start and end are 1-based and belong to the segment; one that runs over a centromere counts on both sides.
    """
    result = np.full(len(ARMS), np.nan, dtype=np.float32)
    names = np.asarray(chromosomes)
    for place, arm in enumerate(ARMS):
        first, last = genome.arms[arm]
        bases = np.minimum(ends, last) - np.maximum(starts - 1, first)
        bases = np.where((names == arm[:-1]) & np.isfinite(means), np.maximum(bases, 0), 0)
        if bases.sum() >= MIN_COVERED * (last - first):
            result[place] = (bases * np.nan_to_num(means)).sum() / bases.sum()
    return result
