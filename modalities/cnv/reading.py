"""Reads copy number of any known format as genes or as chromosome arms."""

from dataclasses import replace
from typing import Any

import numpy as np

from modalities.cnv.arms import ARMS, arm_of_gene, means_over_genes
from modalities.cnv.files import FORMATS, GENES, MATRICES, SEGMENTS, Found, find
from modalities.cnv.readers import gdc_genes
from modalities.cnv.readers.aliquots import tumours_of
from modalities.cnv.readers.matrix import NOT_PRIMARY, GeneValues, read_matrix
from modalities.cnv.segments.owners import UNLISTED, listed_in
from modalities.cnv.segments.reading import read_arms, read_genes
from modalities.core.blocks.tabular import in_agreed_order
from modalities.core.contract import Cases, Source
from modalities.core.files.barcodes import case_of
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import unusable

_CALLS = (-2, -1, 0, 1, 2)


def read(source: Source, config: Any) -> Cases:
    """The cases of the site's matrix, or of its files of one aliquot each; a folder may hold either."""
    if source.format not in FORMATS:
        raise unusable(f"sources.cnv.format: no format {source.format!r}", f"known: {', '.join(FORMATS)}")
    if len(source.paths) != 1:
        raise unusable(f"cnv takes one file or folder, got {len(source.paths)}", "name one in site.yaml")
    as_arms = config.values == "arms"
    values = config.arms_from if as_arms else config.values
    found = find(source, values, segments_first=as_arms and values == "log2")
    if found.format in SEGMENTS:
        return _from_segments(found, source, values, config)
    genes, notes = _genes(found, source, values)
    if found.format in MATRICES:
        _refuse_others(found, genes, values, "modalities.cnv.arms_from" if as_arms else "modalities.cnv.values")
    notes = {**genes.notes, **notes}
    if as_arms:
        return _as_arms(genes, notes, config)
    cases = Cases(genes.case_ids, genes.values, genes.genes, notes)
    return in_agreed_order(cases, config.features, absent="genes imputed")


def _genes(found: Found, source: Source, values: str) -> tuple[GeneValues, dict[str, int]]:
    """Values by gene, and the notes on files."""
    if found.format == GENES:
        aliquots, notes = tumours_of(found.folder, found.paths, source.columns)
        return gdc_genes.read(aliquots, values), notes
    return _of_matrix(found, source)


def _of_matrix(found: Found, source: Source) -> tuple[GeneValues, dict[str, int]]:
    listed, is_whole = listed_in(found.folder, source.columns, of_study_alone=not source.paths[0].is_dir())
    unlisted: list[str] = []

    def owner(name: str) -> str | None:
        if name in listed:
            return None if listed[name].refused else listed[name].case_id
        unlisted.extend([name] * is_whole)
        return None if is_whole else case_of(name)

    genes = read_matrix(found.paths[0], MATRICES[found.format], source.sheet, owner)
    left_out = {NOT_PRIMARY: genes.notes[NOT_PRIMARY] - len(unlisted)}
    return genes, left_out | ({UNLISTED: len(unlisted)} if unlisted else {})


def _from_segments(found: Found, source: Source, values: str, config: Any) -> Cases:
    files = (found.format, found.paths, found.folder, source, values)
    as_arms = config.values == "arms"
    cases = read_arms(*files) if as_arms else read_genes(*files, config.features)
    cases = replace(cases, notes={**found.notes, **cases.notes})
    return in_agreed_order(cases, config.features, absent="arms imputed" if as_arms else "genes imputed")


def _as_arms(genes: GeneValues, notes: dict[str, int], config: Any) -> Cases:
    arms = [arm_of_gene(name) for name in genes.genes] if genes.arms is None else genes.arms
    notes = {
        **notes,
        "genes of no known place, in no arm": sum(arm is None for arm in arms),
        "genes beside the 39 arms": sum(arm is not None and arm not in ARMS for arm in arms),
        "arms without a gene": len(set(ARMS) - set(arms)),
    }
    if notes["arms without a gene"] == len(ARMS):
        raise unusable(
            f"none of {len(arms)} genes lies in a known arm, such as {listing(genes.genes)}", "are these gene symbols?"
        )
    cases = Cases(genes.case_ids, means_over_genes(genes.values, arms), ARMS, notes)
    return in_agreed_order(cases, config.features, absent="arms imputed")


def _refuse_others(found: Found, genes: GeneValues, values: str, setting: str) -> None:
    """Refuse ratios where calls are wanted, and calls where ratios are."""
    name, known = found.paths[0].name, np.isfinite(genes.values)
    is_other = known & ~np.isin(genes.values, _CALLS)
    if values == "calls" and is_other.any():
        wrong = np.argwhere(is_other)
        named = [
            f"{genes.genes[gene]} of {genes.case_ids[case]} = {genes.values[case, gene]:g}" for case, gene in wrong
        ]
        what = f"{len(wrong)} values are no GISTIC call from -2 to 2 ({listing(named)})"
        raise unusable(what, f"for log2 ratios set {setting}: log2", file=name)
    if values == "log2" and not is_other.any() and genes.values[known].any():
        what = "every value is a call from -2 to 2, no log2 ratio"
        raise unusable(what, f"for calls set {setting}: calls", file=name)
