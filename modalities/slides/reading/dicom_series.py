"""The DICOM slides of a folder: each series is one, however many files it has and whatever they are called."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from modalities.core.contract import Source
from modalities.core.problems import ProblemsError
from modalities.slides.reading.dicom import DicomFile, header_of, is_directory_of_others
from modalities.slides.reading.slide_file import SlideFile, name_of, names_of, plain_file

_Folders = Mapping[Path, Sequence[DicomFile]]


def dicom_slides(files: Sequence[Path], source: Source) -> list[SlideFile]:
    """A slide for each series of a folder, and one for each file that cannot be read, which says so.

    Copies of a series in several folders are a slide each.
    """
    by_series: dict[str, dict[Path, list[DicomFile]]] = {}
    broken = []
    for file in sorted(files):
        try:
            header = header_of(file)
        except ProblemsError:
            if not is_directory_of_others(file):
                broken.append(plain_file(file, source, why_no_dicom(file)))
        else:
            by_series.setdefault(header.series, {}).setdefault(file.parent, []).append(header)
    shared = [folder for folders in by_series.values() for folder in folders]
    slides = [
        _slide(folder, folders, shared.count(folder) == 1 and folder not in source.paths, source)
        for folders in by_series.values()
        for folder in folders
    ]
    return [*slides, *broken]


def why_no_dicom(path: Path) -> str:
    """Why a file that looks like DICOM cannot be read, and what to do; empty for one that can."""
    try:
        header_of(path)
    except ProblemsError as error:
        return "\n".join(f"{problem.what}; {problem.remedy}" for problem in error.problems)
    except OSError as error:
        return f"cannot be read ({error.strerror}); make it readable for this user"
    return ""


def _slide(folder: Path, folders: _Folders, is_alone: bool, source: Source) -> SlideFile:
    """One series of a folder; `is_alone` tells whether the folder holds no other."""
    files = folders[folder]
    images = [file for file in files if file.is_slide_image]
    series, containers = files[0].series, {file.container for file in files} - {""}
    names = names_of([file.path for file in files], source) | {series} | containers
    if is_alone:
        names |= {folder.name}
    of_several = folder.name if is_alone else series
    name = of_several if len(files) > 1 else name_of(files[0].path)
    unreadable = _missing_parts(images) or _spread(folder, folders)
    reason = unreadable or ("" if images else _shows(files))
    return SlideFile((images or files)[0].path, name, names, reason, bool(unreadable))


def _shows(files: Sequence[DicomFile]) -> str:
    """What a series that is no slide shows."""
    shows = sorted({file.shows for file in files} - {""})
    return f"a DICOM series of {', '.join(shows)} images only" if shows else "DICOM, but no whole slide image"


def _missing_parts(images: Sequence[DicomFile]) -> str:
    """Of levels that are divided into several files: that some are not there."""
    levels: dict[str, list[DicomFile]] = {}
    for image in images:
        if image.whole:
            levels.setdefault(image.whole, []).append(image)
    for parts in levels.values():
        numbers = {image.part for image in parts}
        total = max(max(image.parts for image in parts), max(numbers))
        if len(numbers) < total:
            return f"{total - len(numbers)} of the {total} files of a level are missing; export the whole series again"
    return ""


def _spread(folder: Path, folders: _Folders) -> str:
    """Of a series in several folders that are no copies of each other."""
    instances = {place: {file.instance for file in files if file.is_slide_image} for place, files in folders.items()}
    here = instances[folder]
    apart = [place for place, others in instances.items() if others and not here & others]
    if not here or not apart:
        return ""
    return f"the files of this slide lie in {len(apart) + 1} folders; put them into one"
