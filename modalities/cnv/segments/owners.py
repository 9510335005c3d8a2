"""Whose segments are whose, where the file or its rows name a sample: a list beside the files, or the name itself.

A list is a CSV with the columns `sample` and `case_id`, or cBioPortal's `data_clinical_sample.txt`. A CSV that lists
samples decides: what it does not list is left out. The GDC's files, which only a sheet tells apart, are read by
`modalities.cnv.readers.aliquots` alone.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modalities.cnv.readers.aliquots import Sample, barcodes_in, registers_in, sample_of
from modalities.cnv.readers.header import lists_below
from modalities.cnv.segments.profile import Profile
from modalities.core.files.barcodes import is_primary_tumour
from modalities.core.files.tables.delimited import n_comments, refuse_any, refuse_repeated, rows_of
from modalities.core.files.tables.header import header_of
from modalities.core.problems import unusable

STUDY_SAMPLES = "data_clinical_sample.txt"
UNLISTED = "samples that the list of samples does not name"


@dataclass(frozen=True)
class _List:
    """A table beside the files that says whose samples are."""

    samples: Mapping[str, Sample]
    is_whole: bool
    """Whether a sample that it does not name is left out."""


def tumours_of(
    folder: Path, profiles: Sequence[Profile], columns: Mapping[str, str]
) -> tuple[list[tuple[str, Profile]], dict[str, int]]:
    """The primary tumours by case, and notes of the samples that are none, by reason.

    Raises:
        ValueError: a case has several tumours, or no sample is a primary tumour.
    """
    by_file = {name: sample for register in registers_in(folder, columns) for name, sample in register.samples.items()}
    lists = _lists_in(folder, columns)
    n_samples = Counter(profile.path for profile in profiles)
    kept, notes = [], Counter[str]()
    for profile in profiles:
        sample = _sample_of(profile, by_file if n_samples[profile.path] == 1 else {}, lists)
        if sample is None:
            notes[UNLISTED] += 1
        elif sample.refused:
            notes[f"aliquots refused, no primary tumour: {sample.refused}"] += 1
        else:
            kept.append((sample.case_id, profile))
    if not kept:
        reasons = "; ".join(f"{count} {reason}" for reason, count in notes.items())
        raise unusable(f"no sample of a primary tumour ({reasons})", "give tumour samples", file=profiles[0].path.name)
    where = profiles[0].path if len(n_samples) == 1 else folder
    remedy = "keep one tumour sample a case, or name it in a CSV with the columns sample and case_id beside the file"
    refuse_repeated(where, [case_id for case_id, _ in kept], "cases", remedy)
    return sorted(kept, key=lambda pair: pair[0]), dict(notes)


def listed_in(folder: Path, columns: Mapping[str, str], *, of_study_alone: bool) -> tuple[dict[str, Sample], bool]:
    """The samples that lists in the folder name, and whether one of the site's decides which are read."""
    lists = [_of_study(folder)] if of_study_alone else _lists_in(folder, columns)
    samples = {name: sample for each in reversed(lists) for name, sample in each.samples.items()}
    return samples, any(each.is_whole for each in lists)


def stem_of(path: Path) -> str:
    """A file's name up to its first point, as CNVkit takes a sample's name from it."""
    return path.name.partition(".")[0]


def _sample_of(profile: Profile, by_file: Mapping[str, Sample], lists: Sequence[_List]) -> Sample | None:
    """None for a sample that is left out."""
    name, file = profile.sample or stem_of(profile.path), profile.path.name
    listed = [each.samples[name] for each in lists if name in each.samples]
    if file in by_file or listed:
        return by_file[file] if file in by_file else listed[0]
    if any(each.is_whole for each in lists):
        return None
    return sample_of(barcodes_in(name) or [name])


def _lists_in(folder: Path, columns: Mapping[str, str]) -> list[_List]:
    case_column, names = columns.get("case_id", "case_id"), {columns.get("sample", "sample"), "sample"}
    found = []
    for path in lists_below(folder):
        header = header_of(path)
        column = next((name for name in header if name in names), None)
        if column and case_column in header:
            found.append(_List(_listed(path, column, case_column), is_whole=True))
    return found or [_of_study(folder)]


def _of_study(folder: Path) -> _List:
    path = folder / STUDY_SAMPLES
    return _List(_listed(path, "SAMPLE_ID", "PATIENT_ID", "SAMPLE_TYPE") if path.is_file() else {}, is_whole=False)


def _listed(path: Path, sample: str, case: str, kind: str = "") -> dict[str, Sample]:
    rows = rows_of(path, comment="#" if kind else "")
    above = n_comments(rows, "#" if kind else "")
    header, body = [cell.strip() for cell in rows[above]], rows[above + 1 :]
    refuse_any(path, [name for name in (sample, case) if name not in header], "no column {}", "export it again")
    names = [row[header.index(sample)].strip() for row in body]
    cases = [row[header.index(case)].strip() for row in body]
    kinds = [row[header.index(kind)].strip() if kind in header else "" for row in body]
    blank = [f"line {line}" for line, cell in enumerate(cases, start=above + 2) if not cell]
    refuse_any(path, blank, "no case in {}", "fill it in or take the row out", are_places=True)
    refuse_repeated(path, names, "samples", "keep one row a sample")
    return {
        name: Sample(case_id, "" if is_primary_tumour(kind_of) else kind_of.casefold())
        for name, case_id, kind_of in zip(names, cases, kinds, strict=True)
    }
