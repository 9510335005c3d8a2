"""Which slide belongs to which case: slides.csv, or the TCGA barcodes of the file names, or the file names themselves.

slides.csv (or .tsv, .txt, .xlsx) lies in the slide folder or is named among the source's paths: columns `case_id`,
`slide` (file name, its ending optional, or path below the folder) and optionally `mpp`; other column names are mapped
by `columns` in site.yaml. A case may have several slides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from modalities.core.contract import Source
from modalities.core.files.barcodes import case_of
from modalities.core.files.delimited import listing, rows_of
from modalities.core.problems import Problem, ProblemsError, check, unusable
from modalities.slides.features.stores import STORE, files_below, holds_tables, is_store
from modalities.slides.reading.dicom import is_dicom, series_of

SLIDES = (".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".svslide", ".dcm", ".czi")
"""File name endings that are taken for slides."""
FEATURES = (".h5", ".hdf5", STORE, ".pt")
"""File name endings that are taken for tile features; an .h5 wins over a .pt of the same name."""
_DICOM = ".dcm"
_UNREADABLE = {
    ".isyntax": "OpenSlide does not read Philips iSyntax; export the slide as DICOM or TIFF",
    ".vsi": "OpenSlide does not read Olympus VSI; export the slide as DICOM or TIFF",
}
"""Endings of slides that are named and not read, and what to do."""
_TABLES = (".csv", ".tsv", ".txt", ".xlsx")
_MANIFESTS = tuple(f"slides{ending}" for ending in _TABLES)


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
    """Not used since nothing here could open it, rather than by choice."""

    @property
    def slide(self) -> str:
        """Its name: that of the file without the ending."""
        return self.path.stem

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
    files = _files(source)
    if not files and not composition_tables(source):
        where = ", ".join(str(path) for path in source.paths) or "the source"
        raise unusable(f"no slide ({' '.join(SLIDES)}) and no tile features ({' '.join(FEATURES)}) there", file=where)
    if len(manifests) > 1:
        what = f"{len(manifests)} lists of slides: {listing([str(path) for path in manifests])}"
        raise unusable(what, "keep one of them", file=manifests[0].name)
    listed = _by_manifest(manifests[0], files, source) if manifests else [_by_name(path) for path in files]
    reasons = {path: _why_unreadable(path) for path in files}  # of a name that is only listed, nothing is looked up
    checked = [
        replace(entry, left_out=reason, is_unreadable=True)
        if not entry.left_out and (reason := reasons.get(entry.path, ""))
        else entry
        for entry in listed
    ]
    return [replace(entry, case_id=source.called(entry.case_id)) for entry in checked]


def composition_tables(source: Source) -> list[Path]:
    """The tables of tiles with their nuclear composition."""
    return [path for path in _tables(source) if _is_composition(path, source)]


def _tables(source: Source) -> list[Path]:
    named = [path for path in source.paths if path.suffix.lower() in _TABLES and not path.is_dir()]
    inside = [path / name for path in source.paths for name in _MANIFESTS if (path / name).is_file()]
    return list(dict.fromkeys([*named, *inside]))


def _is_composition(path: Path, source: Source) -> bool:
    """Whether a CSV is a table of tiles rather than of slides: it has a place for each row."""
    header = rows_of(path, sheet=source.sheet)[0]
    return {source.columns.get("x", "x"), source.columns.get("y", "y")} <= set(header)


def case_of_name(slide: str) -> str | None:
    """The case of a slide by its name: by its TCGA barcode in any case, or else the name itself; None: no tumour."""
    barcode = slide.upper()
    return case_of(barcode) if barcode.startswith("TCGA-") else slide


def _files(source: Source) -> list[Path]:
    """Slides and feature files; of a slide and features of the same name the first path's count, features first."""
    cache = Path(source.slides.cache or "/nowhere")
    slides: dict[Path, str] = {}
    features: dict[str, Path] = {}
    for path in source.paths:
        if not path.exists():
            raise unusable("no such file or folder", "correct the path in site.yaml", file=str(path))
        inside = [path] if is_store(path) or not path.is_dir() else sorted(files_below(path))
        files = [file for file in inside if not _is_hidden(file, path) and cache not in file.parents]
        files = _without_other_stores(files)
        known = set(slides.values())
        for file in sorted(files, key=lambda file: file.suffix.lower() == ".pt"):
            if file.suffix.lower() in FEATURES and file.stem not in known:
                features.setdefault(file.stem, file)
        for file in _one_a_series([file for file in files if _is_slide(file)]):
            if file.stem not in features:
                slides[file] = file.stem
    return sorted([*slides, *features.values()], key=lambda file: (file.name, str(file)))


def _without_other_stores(files: Sequence[Path]) -> list[Path]:
    """Without stores that hold no table, as LazySlide begins one beside a slide before any features are there."""
    slides = {file.stem for file in files if _is_slide(file)}
    return [file for file in files if not is_store(file) or holds_tables(file) or file.stem not in slides]


def kind_of(file: Path) -> str:
    """`slide`, `features` or `list` of slides, by its name and ending; empty for any other file."""
    if file.name.lower() in _MANIFESTS:
        return "list"
    if file.suffix.lower() in FEATURES:
        return "features"
    return "slide" if _is_slide(file) else ""


def _is_hidden(file: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(below).parts)


def _is_slide(file: Path) -> bool:
    """By its ending, or, where it has none, as a PACS exports DICOM, by its content."""
    ending = file.suffix.lower()
    return ending in (*SLIDES, *_UNREADABLE) or (not _is_named(file) and is_dicom(file))


def _is_named(file: Path) -> bool:
    """Whether the name has an ending; the last number of a DICOM identifier, 1.2.840.1, is none."""
    return bool(file.suffix) and not file.suffix[1:].isdigit()


def _why_unreadable(path: Path) -> str:
    """Why a file that looks like a slide or features cannot be opened, and what to do; empty for others."""
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere; correct it or take it out"
    if path.exists() and not path.is_file() and not is_store(path):
        return "neither a file nor a link to one; take it out"
    if path.suffix.lower() == _DICOM and path.is_file():
        try:
            series_of(path)
        except ProblemsError as error:
            return "\n".join(str(replace(problem, file="")) for problem in error.problems)
    if not _is_named(path) and path.is_file():
        return f"a DICOM file without the ending {_DICOM}; rename all files of its folder so"
    return _UNREADABLE.get(path.suffix.lower(), "")


def _one_a_series(files: Sequence[Path]) -> list[Path]:
    """A DICOM slide is a series of files, of which any one opens all; a folder may hold many."""
    first: dict[tuple[Path, str], Path] = {}
    others = []
    for file in sorted(files):
        if file.suffix.lower() == _DICOM or not _is_named(file):
            first.setdefault((file.parent, _series_or_name(file)), file)
        else:
            others.append(file)
    return others + sorted(first.values())


def _series_or_name(file: Path) -> str:
    """A file that cannot be read stands for itself, so that it is named."""
    try:
        return series_of(file)
    except ValueError:
        return file.name


def _by_name(path: Path) -> Listed:
    case_id = case_of_name(path.stem)
    if case_id is None:
        return Listed(path, "", left_out="no primary tumour, by its barcode")
    return Listed(path, case_id)


def _by_manifest(manifest: Path, files: Sequence[Path], source: Source) -> list[Listed]:
    """The files that the manifest lists, those that it lists but aren't there, and those it doesn't list."""
    by_name: dict[str, list[Path]] = {}
    for file in files:
        for name in {
            file.name,
            file.stem,
            *(str(file.relative_to(path)) for path in source.paths if path in file.parents),
        }:
            by_name.setdefault(name, []).append(file)
    found: dict[Path, Listed] = {}
    problems: list[Problem] = []
    absent = f"no such file; correct {manifest.name} or copy the slide"
    for line, (case_id, slide, mpp) in enumerate(_rows(manifest, source, problems), start=2):
        named = by_name.get(slide, [])
        if len(named) > 1:
            what = f"{slide!r} is the name of {len(named)} files"
            problems.append(Problem(what, "give its path in the folder", file=manifest.name, where=f"line {line}"))
        file = named[0] if named else manifest.parent / slide
        if file in found:
            what = f"{slide!r} is listed more than once"
            problems.append(Problem(what, "keep one row a slide", file=manifest.name, where=f"line {line}"))
        found[file] = Listed(file, case_id, mpp, "" if named else absent)
    check(problems)
    unlisted = [Listed(file, "", left_out=f"not in {manifest.name}") for file in files if file not in found]
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
