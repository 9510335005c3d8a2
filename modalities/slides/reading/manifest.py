"""Which slide belongs to which case: slides.csv, or the TCGA barcodes of the file names, or the file names themselves.

slides.csv (or .tsv, .txt, .xlsx) lies in the slide folder or is named among the source's paths: columns `case_id`,
`slide` and optionally `mpp`; other column names are mapped by `columns` in site.yaml. A slide is named by its file
(ending optional) or the path of that below the folder, of DICOM also by its SeriesInstanceUID or ContainerIdentifier;
the path of a folder below the folder stands for every slide in it. A case may have several slides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from modalities.core.contract import Source
from modalities.core.files.barcodes import case_of
from modalities.core.files.tables.delimited import listing, rows_of
from modalities.core.problems import Problem, check, unusable
from modalities.slides.features.stores import is_store
from modalities.slides.reading.folder import FEATURES, MANIFESTS, SLIDES, TABLES, slide_files
from modalities.slides.reading.slide_file import SlideFile, folders_of


@dataclass(frozen=True)
class Listed:
    """A slide, or the file of its features, and whose it is."""

    path: Path
    case_id: str
    mpp: float = 0.0
    """Micrometres a pixel as slides.csv says; 0 leaves it to the file."""
    left_out: str = ""
    """Why it is not used, if it isn't."""
    is_unreadable: bool = False
    """Not used since it is not there or nothing here could open it, rather than by choice."""
    name: str = ""
    """Its name, where that is not its file's."""

    @property
    def slide(self) -> str:
        """Its name: that of the file without the ending, unless it has one of its own."""
        return self.name or self.path.stem

    @property
    def is_features(self) -> bool:
        """Whether the file holds features already."""
        return self.path.suffix.lower() in FEATURES

    @property
    def is_there(self) -> bool:
        """Whether there is a file, or a store of features."""
        return self.path.is_file() or is_store(self.path)


def listed_files(source: Source) -> list[Listed]:
    """Every slide and feature file of the source, by name; those that are not used say why.

    Raises:
        ValueError: there is none, a path does not exist, or slides.csv is wrong.
    """
    manifests = [path for path in _tables(source) if not _is_composition(path, source)]
    files = slide_files(source)
    if not files and not composition_tables(source):
        where = ", ".join(str(path) for path in source.paths) or "the source"
        raise unusable(f"no slide ({' '.join(SLIDES)}) and no tile features ({' '.join(FEATURES)}) there", file=where)
    if len(manifests) > 1:
        what = f"{len(manifests)} lists of slides: {listing([str(path) for path in manifests])}"
        raise unusable(what, "keep one of them", file=manifests[0].name)
    listed = _by_manifest(manifests[0], files, source) if manifests else [_by_name(file) for file in files]
    return [replace(entry, case_id=source.called(entry.case_id)) for entry in listed]


def composition_tables(source: Source) -> list[Path]:
    """The tables of tiles with their nuclear composition."""
    return [path for path in _tables(source) if _is_composition(path, source)]


def _tables(source: Source) -> list[Path]:
    named = [path for path in source.paths if path.suffix.lower() in TABLES and not path.is_dir()]
    inside = [path / name for path in source.paths for name in MANIFESTS if (path / name).is_file()]
    return list(dict.fromkeys([*named, *inside]))


def _is_composition(path: Path, source: Source) -> bool:
    """Whether a CSV is a table of tiles rather than of slides: it has a place for each row."""
    header = rows_of(path, sheet=source.sheet)[0]
    return {source.columns.get("x", "x"), source.columns.get("y", "y")} <= set(header)


def case_of_name(slide: str) -> str | None:
    """The case of a slide by its name: by its TCGA barcode in any case, or else the name itself; None: no tumour."""
    barcode = slide.upper()
    return case_of(barcode) if barcode.startswith("TCGA-") else slide


def _by_name(file: SlideFile) -> Listed:
    case_id = case_of_name(file.name)
    if case_id is None:
        return Listed(file.path, "", left_out="no primary tumour, by its barcode", name=file.name)
    return _listed(file, case_id)


def _listed(file: SlideFile, case_id: str, mpp: float = 0.0) -> Listed:
    return Listed(file.path, case_id, mpp, file.reason, file.is_unreadable, file.name)


def _by_manifest(manifest: Path, files: Sequence[SlideFile], source: Source) -> list[Listed]:
    """The files that the manifest lists, those that it lists but aren't there, and those it doesn't list."""
    by_name: dict[str, list[SlideFile]] = {}
    by_folder: dict[str, list[SlideFile]] = {}
    for file in files:
        for name in file.names:
            by_name.setdefault(name, []).append(file)
        for folder in folders_of(file.path, source):
            by_folder.setdefault(folder, []).append(file)
    found: dict[Path, Listed] = {}
    problems: list[Problem] = []
    absent = f"no such file; correct {manifest.name} or copy the slide"
    for line, (case_id, slide, mpp) in enumerate(_rows(manifest, source, problems), start=2):
        named = by_name.get(slide, [])
        named = [file for file in named if not file.shows_no_slide] or named
        if len(named) > 1:
            what = f"{slide!r} is the name of {len(named)} files"
            problems.append(Problem(what, "give its path in the folder", file=manifest.name, where=f"line {line}"))
        chosen = [_listed(file, case_id, mpp) for file in named[:1] or by_folder.get(slide.rstrip("/"), [])]
        chosen = chosen or [Listed(manifest.parent / slide, case_id, mpp, absent, is_unreadable=True)]
        if any(entry.path in found for entry in chosen):
            what = f"{slide!r} is listed more than once"
            problems.append(Problem(what, "keep one row a slide", file=manifest.name, where=f"line {line}"))
        found |= {entry.path: entry for entry in chosen}
    check(problems)
    unlisted = [
        replace(_listed(file, ""), left_out=f"not in {manifest.name}", is_unreadable=False)
        for file in files
        if file.path not in found
    ]
    return sorted([*found.values(), *unlisted], key=lambda entry: (entry.path.name, str(entry.path)))


def _rows(manifest: Path, source: Source, problems: list[Problem]) -> list[tuple[str, str, float]]:
    header, *rows = rows_of(manifest, sheet=source.sheet)
    columns = {name: source.columns.get(name, name) for name in ("case_id", "slide", "mpp")}
    lacking = [columns[name] for name in ("case_id", "slide") if columns[name] not in header]
    if lacking:
        remedy = "it needs case_id and slide, and may have mpp"
        problems.append(Problem(f"no column {listing(lacking)}", remedy, file=manifest.name))
        return []
    place = {name: header.index(column) for name, column in columns.items() if column in header}
    found = []
    for line, row in enumerate(rows, start=2):
        case_id, slide = row[place["case_id"]].strip(), row[place["slide"]].strip()
        said = row[place["mpp"]].strip() if "mpp" in place else ""
        mpp = _mpp(said)
        wrong = ["case_id and slide must not be empty"] * (not case_id or not slide)
        wrong += [f"mpp must be a positive number, got {said!r}"] * (mpp is None)
        problems += [Problem(what, file=manifest.name, where=f"line {line}") for what in wrong]
        found.append((case_id, slide, mpp or 0.0))
    return found


def _mpp(cell: str) -> float | None:
    """The number of a cell, 0 for an empty one, None for one that is no positive number."""
    try:
        value = float(cell or 0)
    except ValueError:
        return None
    return value if np.isfinite(value) and (value > 0 or not cell) else None


def listed_only(listed: Sequence[Listed], cases: set[str]) -> list[Listed]:
    """With those left out whose case the site does not list."""
    return [
        replace(entry, left_out="its case is not in cases.csv")
        if not entry.left_out and entry.case_id not in cases
        else entry
        for entry in listed
    ]
