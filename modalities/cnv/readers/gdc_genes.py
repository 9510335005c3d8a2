"""GDC gene-level copy number, `*.gene_level_copy_number.*.tsv`: one file an aliquot, whole copies of each gene, hg38.

A tumour's ploidy is the most frequent copy number of its autosomal genes (the GDC counts the protein-coding genes,
which the file does not tell); `modalities.cnv.copies` says what becomes of the copies.

Source: https://docs.gdc.cancer.gov/Data/Bioinformatics_Pipelines/CNV_Pipeline/ (gene level copy number);
https://gdc.cancer.gov/how-are-five-categories-copy-number-changes-determined
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from modalities.cnv.copies import most_frequent, relative
from modalities.cnv.genome import AUTOSOMES, assembly
from modalities.cnv.readers.coordinates import chromosomes_of, columns_of, spans_of
from modalities.cnv.readers.matrix import GeneValues, distinct
from modalities.core.files.tables.delimited import numbers, refuse_any, rows_of
from modalities.core.problems import unusable

COLUMNS = ("gene_id", "gene_name", "chromosome", "start", "end", "copy_number")


def read(aliquots: Mapping[Path, str], values: str) -> GeneValues:
    """Calls or log2 ratios of the genes of all aliquots, which must list the same genes."""
    first, names, chromosomes, arms = next(iter(aliquots)), [], [], []
    genome, rows = assembly("hg38"), []
    for path in aliquots:
        header, *body = rows_of(path)
        if not body:
            raise unusable("a header and no gene", "download the file again", file=path.name)
        ids, genes, chromosome, start, end, copies = (
            [row[place] for row in body] for place in columns_of(path, header, COLUMNS, "GDC gene-level copy number")
        )
        own = [gene.strip() or gene_id for gene, gene_id in zip(genes, ids, strict=True)]
        if path == first:
            names, lines = own, range(2, len(body) + 2)
            chromosomes = chromosomes_of(path, chromosome, lines)
            starts, ends = spans_of(path, chromosomes, start, end, lines, genome)
            middles = ((starts + ends) // 2).tolist()
            arms = [genome.arm_at(name, middle) for name, middle in zip(chromosomes, middles, strict=True)]
        elif own != names:
            what = f"lists other genes than {first.name}"
            raise unusable(what, "take all files from one release of the GDC", file=path.name)
        rows.append(_relative(_copies(path, copies), np.isin(chromosomes, AUTOSOMES), values, path))
    kept = distinct(names)
    places = list(kept.values())
    notes = {"genes listed twice": len(names) - len(kept)}
    return GeneValues(
        tuple(aliquots.values()), tuple(kept), np.stack(rows)[:, places], notes, tuple(arms[place] for place in places)
    )


def _copies(path: Path, cells: Sequence[str]) -> Float32[np.ndarray, " gene"]:
    """Whole copies, NaN where blank."""
    copies = numbers(path, [[cell] for cell in cells], ["copy_number"], first_line=2)[:, 0]
    wrong = np.flatnonzero(np.isfinite(copies) & ((copies < 0) | (copies != np.round(copies)))).tolist()
    named = [f"line {row + 2}: {cells[row]}" for row in wrong]
    refuse_any(path, named, "copy_number must be a whole number of copies ({})")
    return copies


def _relative(
    copies: Float32[np.ndarray, " gene"], is_autosomal: np.ndarray, values: str, path: Path
) -> Float32[np.ndarray, " gene"]:
    """The copies against the tumour's own ploidy, as calls or log2 ratios."""
    known = copies[is_autosomal & np.isfinite(copies)]
    if not len(known):
        raise unusable("no copy number of any autosomal gene", "download the file again", file=path.name)
    ploidy = most_frequent(known)
    if ploidy == 0:
        raise unusable("most genes have no copy, so there is no ploidy to compare with", file=path.name)
    return relative(copies, ploidy, values).astype(np.float32)
