"""What a DICOM file is: whose series, which of its files, and what it shows. No tag of a patient is looked at.

A slide is a series of files, and one folder may hold many slides. pydicom steps over every element that is not asked
for; those that are asked for stay bytes until their content is known to be a number or a word of the standard.

Source: DICOM PS3.3, A.32.8 (whole slide microscopy images) and PS3.10, section 7 (file meta information).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from modalities.core.problems import ProblemsError, unusable

_PREAMBLE_BYTES, _MAGIC = 128, b"DICM"
_IMAGE_TYPE, _KIND, _INSTANCE, _SERIES = 0x00080008, 0x00080016, 0x00080018, 0x0020000E
_WHOLE, _PART, _PARTS, _CONTAINER = 0x00209161, 0x00209162, 0x00209163, 0x00400512
_TAGS = (_IMAGE_TYPE, _KIND, _INSTANCE, _SERIES, _WHOLE, _PART, _PARTS, _CONTAINER)
_FRAMES = 0x5200
"""Group of the places of the frames; what may name a patient, or repeats the label's text, stands before it."""
_LONGEST = 1024  # bytes of an element that is looked at
_UID = re.compile(r"[0-9.]{1,64}")
_SLIDE_IMAGE, _DIRECTORY = "1.2.840.10008.5.1.4.1.1.77.1.6", "1.2.840.10008.1.3.10"
_DEFLATED = "1.2.840.10008.1.2.1.99"


@dataclass(frozen=True)
class DicomFile:
    """What is known of one file."""

    path: Path
    series: str
    """SeriesInstanceUID: the slide."""
    instance: str
    """SOPInstanceUID: the same in every copy of the file."""
    shows: str
    """`VOLUME` (a level of the slide, or a part of one), `LABEL`, `OVERVIEW` or `THUMBNAIL`, and whatever else the
    scanner says; empty for what is no whole slide image."""
    container: str
    """Identifier on the glass, as far as the scanner read its barcode; only ever compared with slides.csv."""
    whole: str
    """The level that it is a part of, if levels are divided; empty otherwise."""
    part: int
    parts: int
    """Number of the part, from 1, and how many there are; 0 where the file does not say."""
    begin: int
    """Where in the file the frames begin, behind everything that may name a patient."""

    @property
    def is_slide_image(self) -> bool:
        """Whether it is to be read: label, overview and thumbnail never are."""
        return self.shows == "VOLUME"


def is_dicom(path: Path) -> bool:
    """Whether the file says that it is one, whatever its name."""
    if not path.is_file():  # a pipe would be waited for
        return False
    try:
        with path.open("rb") as file:
            file.seek(_PREAMBLE_BYTES)
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def header_of(path: Path) -> DicomFile:
    """What the file says of itself.

    Raises:
        ValueError: the file is no DICOM file, is cut off, or says of no series.
    """
    stat = path.stat()
    return _header(path, stat.st_size, stat.st_mtime_ns)


def is_directory_of_others(path: Path) -> bool:
    """Whether the file is a DICOMDIR, which lists the others and shows nothing itself."""
    from pydicom.filereader import read_file_meta_info

    try:
        return read_file_meta_info(path).get("MediaStorageSOPClassUID") == _DIRECTORY
    except Exception:  # of any kind that a damaged file may cause: `header_of` says what is wrong
        return False


def slide_images(path: Path) -> list[DicomFile]:
    """The files of the series that hold the slide's levels, from the folder that this one lies in; each copy once.

    Raises:
        ValueError: the file cannot be read.
    """
    series = header_of(path).series
    by_instance: dict[str, DicomFile] = {}
    for file in sorted(path.parent.iterdir()):
        if is_dicom(file):
            try:
                header = header_of(file)
            except ProblemsError:  # of a file that may be of another slide: it is named where the folder is listed
                continue
            if header.series == series and header.is_slide_image:
                by_instance.setdefault(header.instance, header)
    return list(by_instance.values())


@lru_cache(maxsize=1 << 17)
def _header(path: Path, size: int, changed_ns: int) -> DicomFile:
    del size, changed_ns
    try:
        elements, begin = _elements(path) if is_dicom(path) else ({}, 0)
    except Exception as error:  # of any kind that a damaged file may cause; its text may hold what the file holds
        what = f"a DICOM file that cannot be read ({type(error).__name__})"
        raise unusable(what, "export it again", file=path.name) from None
    series, instance = _text(elements, _SERIES), _text(elements, _INSTANCE)
    if not _UID.fullmatch(series) or not _UID.fullmatch(instance):
        raise unusable("not a DICOM file of a series", "export the slide again", file=path.name)
    shows = [*_text(elements, _IMAGE_TYPE).split("\\"), "", "", ""][2].strip() or "NOTHING"
    shows = shows if _text(elements, _KIND) == _SLIDE_IMAGE else ""
    part, parts = (_number(elements, tag) for tag in (_PART, _PARTS))
    container, whole = _text(elements, _CONTAINER), _text(elements, _WHOLE)
    return DicomFile(path, series, instance, shows, container, whole, part, parts, begin)


_Elements = dict[int, tuple[bytes, str]]


def _elements(path: Path) -> tuple[_Elements, int]:
    """The bytes of the elements that are asked for, with their order, and where the frames begin."""
    from pydicom.filereader import read_file_meta_info, read_partial

    if read_file_meta_info(path).get("TransferSyntaxUID") == _DEFLATED:  # would have to be unpacked as a whole
        return {}, 0
    with path.open("rb") as file:
        dataset = read_partial(file, _is_of_frames, defer_size=_LONGEST, specific_tags=[*_TAGS])
        begin = file.tell()
    held: _Elements = {}
    for tag in _TAGS:
        element = dataset.get_item(tag) if tag in dataset else None
        if element is not None and isinstance(element.value, bytes):
            held[tag] = element.value, "little" if getattr(element, "is_little_endian", True) else "big"
    return held, begin


def _is_of_frames(tag: int, kind: str | None, length: int) -> bool:
    """Whether the header is read: pydicom's own question, which hands over more than the tag."""
    del kind, length
    return tag >> 16 >= _FRAMES


def _text(elements: _Elements, tag: int) -> str:
    return elements.get(tag, (b"", ""))[0].rstrip(b"\0 ").decode("ascii", "replace").strip()


def _number(elements: _Elements, tag: int) -> int:
    value, order = elements.get(tag, (b"", "little"))
    return int.from_bytes(value, "big" if order == "big" else "little")
