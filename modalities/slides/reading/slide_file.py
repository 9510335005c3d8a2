"""A slide of a folder: the file that opens it, its name, and what slides.csv may call it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modalities.core.contract import Source


@dataclass(frozen=True)
class SlideFile:
    """A slide, or the file of its features."""

    path: Path
    """The file that opens it; of a slide of several files, one of them."""
    name: str
    """What it is called where nothing else says it."""
    names: frozenset[str]
    """What slides.csv may call it, beside a folder that it lies in."""
    reason: str = ""
    """Why it is not used, if it isn't."""
    is_unreadable: bool = False
    """Not used since nothing here could open it, rather than because it shows no slide."""

    @property
    def shows_no_slide(self) -> bool:
        """Whether it is labels alone, or radiology."""
        return bool(self.reason) and not self.is_unreadable


def plain_file(path: Path, source: Source, reason: str) -> SlideFile:
    """Of a slide that is called after its file."""
    name = name_of(path)
    return SlideFile(path, name, names_of([path], source) | {name}, reason, bool(reason))


def name_of(path: Path) -> str:
    """The file's name without its ending; `.ome.tiff` is one, the last number of a DICOM identifier is none."""
    if path.suffix[1:].isdigit():
        return path.name
    return path.stem.removesuffix(".ome")


def names_of(files: Iterable[Path], source: Source) -> frozenset[str]:
    """Names with and without their endings, and the paths below the source's folders."""
    names: set[str] = set()
    for file in files:
        names |= {file.name, file.stem, name_of(file)}
        names |= {str(file.relative_to(path)) for path in source.paths if path in file.parents}
    return frozenset(names)


def folders_of(file: Path, source: Source) -> list[str]:
    """Every folder that it lies in, as a path below one of the source's folders."""
    return [
        str(folder.relative_to(path))
        for path in source.paths
        for folder in file.parents
        if folder != path and path in folder.parents
    ]
