"""What lies in a slide folder: every slide and feature file, each with its name, and why if it cannot be read."""

import os
from collections.abc import Sequence
from pathlib import Path

from modalities.core.contract import Source
from modalities.core.problems import unusable
from modalities.slides.features.stores import STORE, files_below, holds_tables, is_store
from modalities.slides.reading.dicom import is_dicom
from modalities.slides.reading.dicom_series import dicom_slides, why_no_dicom
from modalities.slides.reading.slide_file import SlideFile, plain_file
from modalities.slides.reading.unreadable import UNREADABLE, irregular

SLIDES = (
    *(".svs", ".tif", ".tiff", ".btf", ".tf2", ".tf8", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".svslide"),
    *(".avs", ".czi", ".dcm"),
)
"""File name endings that are taken for slides."""
FEATURES = (".h5", ".hdf5", STORE, ".pt")
"""File name endings that are taken for tile features; an .h5 wins over a .pt of the same name."""
TABLES = (".csv", ".tsv", ".txt", ".xlsx")
"""File name endings of tables."""
MANIFESTS = tuple(f"slides{ending}" for ending in TABLES)
"""Names of the list of slides."""


def slide_files(source: Source) -> list[SlideFile]:
    """Slides and feature files; of a slide and features of the same name the first path's count, features first.

    Raises:
        ValueError: a path does not exist.
    """
    cache = Path(source.slides.cache or "/nowhere")
    slides: dict[Path, SlideFile] = {}
    features: dict[str, SlideFile] = {}
    for path in source.paths:
        if not path.exists():
            raise unusable("no such file or folder", "correct the path in site.yaml", file=str(path))
        inside = [path] if is_store(path) or not path.is_dir() else sorted(files_below(path))
        files = [file for file in inside if not _is_hidden(file, path) and cache not in file.parents]
        for file in [file for file in files if _readable(file) != file]:  # nothing could be written of it
            files.remove(file)
            if file.suffix.lower() in (*FEATURES, *SLIDES, *UNREADABLE):
                slides[_readable(file)] = plain_file(_readable(file), source, "its name is no UTF-8 text; rename it")
        files = _without_other_stores(files)
        known = {slide.name for slide in slides.values()}
        for file in sorted(files, key=lambda file: file.suffix.lower() == ".pt"):
            if file.suffix.lower() in FEATURES and file.stem not in known:
                features.setdefault(file.stem, plain_file(file, source, "" if is_store(file) else irregular(file)))
        for slide in _slides([file for file in files if file.suffix.lower() not in (*FEATURES, *TABLES)], source):
            if slide.name not in features:
                slides[slide.path] = slide
    return sorted([*slides.values(), *features.values()], key=lambda slide: (slide.path.name, str(slide.path)))


def _readable(file: Path) -> Path:
    """The path, in which bytes that are no text are written out."""
    return Path(os.fsencode(file).decode("utf-8", errors="backslashreplace"))


def _without_other_stores(files: Sequence[Path]) -> list[Path]:
    """Without stores that hold no table, as LazySlide begins one beside a slide before any features are there."""
    slides = {file.stem for file in files if kind_of(file) == "slide"}
    return [file for file in files if not is_store(file) or holds_tables(file) or file.stem not in slides]


def kind_of(file: Path) -> str:
    """`slide`, `features` or `list` of slides, by its name and ending or as DICOM says it; empty for any other."""
    ending = file.suffix.lower()
    if file.name.lower() in MANIFESTS:
        return "list"
    if ending in FEATURES:
        return "features"
    return "slide" if ending in (*SLIDES, *UNREADABLE) or (ending not in TABLES and is_dicom(file)) else ""


def _slides(files: Sequence[Path], source: Source) -> list[SlideFile]:
    """Of files that are neither features nor tables: those that are slides, or look like some."""
    dicom = [file for file in files if is_dicom(file)]
    others = [file for file in files if _is_slide(file) and file not in set(dicom)]
    plain = [plain_file(file, source, _why_unreadable(file)) for file in others]
    return [*plain, *dicom_slides(dicom, source)]


def _is_slide(file: Path) -> bool:
    """By its ending; or as something without one that is no file, behind which a slide could be meant."""
    return file.suffix.lower() in (*SLIDES, *UNREADABLE) or (not file.suffix and bool(irregular(file)))


def _why_unreadable(file: Path) -> str:
    ending = file.suffix.lower()
    return irregular(file) or (why_no_dicom(file) if ending == ".dcm" else UNREADABLE.get(ending, ""))


def _is_hidden(file: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(below).parts)
