"""GDC masked copy-number segments, `*.nocnv_grch38.seg.v2.txt`: one file an aliquot, log2 ratios, hg38.

Source: https://docs.gdc.cancer.gov/Data/Bioinformatics_Pipelines/CNV_Pipeline/ (masked copy number segment).
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from modalities.cnv.arms import SEX_CHROMOSOMES, means_over_segments
from modalities.cnv.readers.coordinates import chromosomes_of, columns_of, spans_of
from modalities.core.files.delimited import numbers, refuse_any, rows_of
from modalities.core.problems import unusable

COLUMNS = ("GDC_Aliquot", "Chromosome", "Start", "End", "Segment_Mean")


def read_arms(aliquots: Mapping[Path, str]) -> tuple[Float32[np.ndarray, "case arm"], dict[str, int]]:
    """The mean log2 ratio of each arm of each aliquot, and notes."""
    notes = {"segments on X or Y, which are no input": 0, "segments without a mean": 0, "arms covered too little": 0}
    found = [_arms(path, notes) for path in aliquots]
    return np.stack(found), notes


def _arms(path: Path, notes: dict[str, int]) -> Float32[np.ndarray, " arm"]:
    if "hg19" in path.name.lower():
        raise unusable("segments of hg19 are not read", "take the GRCh38 file of the GDC", file=path.name)
    header, *body = rows_of(path)
    if not body:
        raise unusable("a header and no segment", "download the file again", file=path.name)
    places = columns_of(path, header, COLUMNS, "GDC masked copy-number segments")
    aliquot, chromosome, start, end, mean = ([row[place] for row in body] for place in places)
    if len(set(aliquot)) > 1:
        raise unusable(f"segments of {len(set(aliquot))} aliquots", "give each aliquot its own file", file=path.name)
    chromosomes = chromosomes_of(path, chromosome)
    starts, ends = spans_of(path, chromosomes, start, end)
    _refuse_overlaps(path, chromosomes, starts, ends)
    means = numbers(path, [[cell] for cell in mean], [COLUMNS[-1]], first_line=2)[:, 0]
    result = means_over_segments(chromosomes, starts, ends, means)
    notes["segments on X or Y, which are no input"] += sum(name in SEX_CHROMOSOMES for name in chromosomes)
    notes["segments without a mean"] += int(np.isnan(means).sum())
    notes["arms covered too little"] += int(np.isnan(result).sum())
    return result


def _refuse_overlaps(
    path: Path, chromosomes: Sequence[str], starts: Int64[np.ndarray, " row"], ends: Int64[np.ndarray, " row"]
) -> None:
    order = sorted(range(len(starts)), key=lambda row: (chromosomes[row], starts[row]))
    twice = [
        f"line {row + 2}"
        for before, row in pairwise(order)
        if chromosomes[before] == chromosomes[row] and starts[row] < ends[before]
    ]
    refuse_any(path, twice, "segments overlap those before them ({})", "download the file again")
