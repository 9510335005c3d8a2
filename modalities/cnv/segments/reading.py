"""From files of segments to cases: whose they are, in which unit, and the mean over each arm or gene."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from modalities.cnv.arms import ARMS, means_over_segments
from modalities.cnv.genes import means_within, place_of, places_of, spans_by_chromosome
from modalities.cnv.readers.aliquots import tumours_of as tumours_of_aliquots
from modalities.cnv.segments.ends import misplaced
from modalities.cnv.segments.layouts import LAYOUTS
from modalities.cnv.segments.owners import tumours_of
from modalities.cnv.segments.profile import CALLS, Profile
from modalities.cnv.segments.tables import read_table
from modalities.cnv.segments.units import in_unit
from modalities.cnv.segments.vcf import FORMAT as VCF
from modalities.cnv.segments.vcf import read_vcf
from modalities.core.contract import Cases, Source
from modalities.core.files.remarks import remark
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem, check, gathering, unusable

Tumours = list[tuple[str, Profile]]


def read_arms(format: str, paths: Sequence[Path], folder: Path, source: Source, values: str) -> Cases:
    """The mean `log2` ratio or call of each of ARMS."""
    tumours, notes = _placed(format, paths, folder, source)
    found = np.stack([
        means_over_segments(profile.chromosomes, profile.starts, profile.ends, in_unit(profile, values), profile.genome)
        for _, profile in tumours
    ])  # fmt: skip
    notes = {
        **notes,
        "segments on X or Y, which are no input": sum(profile.n_on_sex_chromosomes for _, profile in tumours),
        **_notes(tumours, values),
        "arms covered too little": int(np.isnan(found).sum()),
    }
    return Cases(tuple(case_id for case_id, _ in tumours), found, ARMS, notes)


def read_genes(
    format: str, paths: Sequence[Path], folder: Path, source: Source, values: str, genes: Sequence[str]
) -> Cases:
    """The mean `log2` ratio of each gene, or its call; of all that are known where none are asked for."""
    tumours, notes = _placed(format, paths, folder, source)
    names = tuple(genes) or tuple(places_of("hg38"))
    found = _of_genes(tumours, names, values)
    unplaced = sum(place_of(name, "hg38") is None for name in names)
    empty = np.isnan(found).all(axis=0).sum() - unplaced
    notes = {
        **notes,
        **_notes(tumours, values),
        "genes of no known place, missing": unplaced,
        "genes that no segment covers, missing": int(empty),
    }
    return Cases(tuple(case_id for case_id, _ in tumours), found, names, notes)


def _placed(format: str, paths: Sequence[Path], folder: Path, source: Source) -> tuple[Tumours, dict[str, int]]:
    """The same; where positions go with another assembly than they are said to be of, it is remarked."""
    tumours, notes = _tumours(format, paths, folder, source)
    for problem in misplaced([profile for _, profile in tumours]):
        remark(problem)
    return tumours, notes


def _tumours(format: str, paths: Sequence[Path], folder: Path, source: Source) -> tuple[Tumours, dict[str, int]]:
    """The primary tumours' segments by case, and notes; of the GDC's files, tumours are known before any is read."""
    if all(layout.names_cases for layout in LAYOUTS if layout.format == format):
        profiles = [profile for held in _read(format, paths, folder, source) for profile in held]
        return tumours_of(folder, profiles, source.columns)
    aliquots, notes = tumours_of_aliquots(folder, paths, source.columns)
    profiles = [_only(held) for held in _read(format, list(aliquots), folder, source)]
    return list(zip(aliquots.values(), profiles, strict=True)), notes


def _read(format: str, paths: Sequence[Path], folder: Path, source: Source) -> list[list[Profile]]:
    """The samples of each file.

    Raises:
        ValueError: everything that is wrong, of all files; what many have in common is said once.
    """
    problems: list[Problem] = []
    found = []
    for path in paths:
        with gathering(problems):
            found.append(read_vcf(path, source) if format == VCF else read_table(path, source, format))
    check(_in_common(problems, folder))
    return found


def _in_common(problems: Sequence[Problem], folder: Path) -> list[Problem]:
    """Problems that only their files tell apart, as one that lists the files."""
    alike: dict[Problem, list[str]] = {}
    for problem in problems:
        alike.setdefault(replace(problem, file=""), []).append(problem.file)
    return [
        replace(problem, file=files[0])
        if len(files) == 1
        else replace(problem, file=folder.name, what=f"{problem.what} ({len(files)} files: {listing(files)})")
        for problem, files in alike.items()
    ]


def _only(profiles: Sequence[Profile]) -> Profile:
    if len(profiles) > 1:
        what = f"segments of {len(profiles)} aliquots"
        raise unusable(what, "give each aliquot its own file", file=profiles[0].path.name)
    return profiles[0]


def _of_genes(tumours: Tumours, names: Sequence[str], values: str) -> Float32[np.ndarray, "case gene"]:
    spans = {
        assembly: spans_by_chromosome([place_of(name, assembly) for name in names])
        for assembly in {profile.genome.name for _, profile in tumours}
    }
    rows = []
    for _, profile in tumours:
        own, measured = spans[profile.genome.name], in_unit(profile, values)
        rows.append(means_within(own, len(names), profile.chromosomes, profile.starts, profile.ends, measured))
    return np.round(np.stack(rows)) if values == CALLS else np.stack(rows)


def _notes(tumours: Tumours, values: str) -> dict[str, int]:
    profiles = [profile for _, profile in tumours]
    return {
        "segments without a mean": sum(int(np.isnan(in_unit(profile, values)).sum()) for profile in profiles),
        "segments on contigs beside the chromosomes": sum(profile.n_beside for profile in profiles),
        "records that are no copy-number segment": sum(profile.n_other for profile in profiles),
    }
