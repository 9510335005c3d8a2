"""Which series a DICOM file is of: its SeriesInstanceUID, and nothing else of its header.

A slide is a series of files, and one folder may hold many slides. Every element before the series number is stepped
over by its length, so that no name, birth date or number of a patient is ever looked at.

Source: DICOM PS3.5, section 7 (data elements) and PS3.10, section 7 (file meta information).
"""

import struct
from pathlib import Path
from typing import BinaryIO

from modalities.core.problems import unusable

_PREAMBLE_BYTES, _MAGIC = 128, b"DICM"
_TRANSFER_SYNTAX, _SERIES = (0x0002, 0x0010), (0x0020, 0x000E)
_IMPLICIT, _OTHERS = "1.2.840.10008.1.2", ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")  # deflated, big-endian
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_UNDEFINED, _ITEM, _END_OF_ITEM, _END_OF_SEQUENCE = 0xFFFFFFFF, (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_LONGEST_UID = 64


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


def series_of(path: Path) -> str:
    """The SeriesInstanceUID.

    Raises:
        ValueError: the file is no DICOM file, is cut off, or says of no series.
    """
    found = ""
    try:
        if is_dicom(path):
            with path.open("rb") as file:
                file.seek(_PREAMBLE_BYTES + len(_MAGIC))
                found = _series(file)
    except (OSError, struct.error, RecursionError) as error:  # the last: sequences within sequences without end
        raise unusable(f"a DICOM file that cannot be read ({error})", "export it again", file=path.name) from error
    if not found:
        raise unusable("not a DICOM file of a series", "export the slide again", file=path.name)
    return found


def _series(file: BinaryIO) -> str:
    explicit, implicit = True, False  # the file meta information always is explicit
    while header := _header(file, explicit):
        tag, length = header
        if tag > _SERIES:
            return ""
        if tag in (_TRANSFER_SYNTAX, _SERIES) and length <= _LONGEST_UID:
            value = file.read(length).rstrip(b"\0 ").decode("ascii", "replace")
            if tag == _SERIES:
                return value
            if value in _OTHERS:
                return ""
            implicit = value == _IMPLICIT
        else:
            _skip(file, length, explicit)
        if tag[0] == _TRANSFER_SYNTAX[0] and _next_group(file) != _TRANSFER_SYNTAX[0]:
            explicit = not implicit
    return ""


def _next_group(file: BinaryIO) -> int:
    at = file.tell()
    group = int.from_bytes(file.read(2), "little")
    file.seek(at)
    return group


def _header(file: BinaryIO, explicit: bool) -> tuple[tuple[int, int], int] | None:
    """Tag and length of the element that begins here; None at the end of the file."""
    head = file.read(8)
    if not head:
        return None
    group, element, length = struct.unpack("<HHI", head)
    if explicit and group != _ITEM[0]:
        if head[4:6] in _LONG:
            (length,) = struct.unpack("<I", file.read(4))
        else:
            (length,) = struct.unpack("<H", head[6:])
    return (group, element), length


def _skip(file: BinaryIO, length: int, explicit: bool) -> None:
    """Step over a value; one of undefined length is a sequence of items that ends with a mark."""
    if length != _UNDEFINED:
        file.seek(length, 1)
        return
    while header := _header(file, explicit):
        tag, inner = header
        if tag in (_END_OF_SEQUENCE, _END_OF_ITEM):
            return
        _skip(file, inner, explicit)
