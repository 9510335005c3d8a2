"""The header of a DICOM file as a scanner writes it, and nothing behind it; `tests.dicom_slides` has whole slides."""

import struct
import zlib
from pathlib import Path

SLIDE_IMAGE = "1.2.840.10008.5.1.4.1.1.77.1.6"
EXPLICIT, IMPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"


def element(tag: tuple[int, int], kind: str, value: bytes, implicit: bool = False) -> bytes:
    value += b"\0" * (len(value) % 2)
    if implicit:
        return struct.pack("<HHI", *tag, len(value)) + value
    if kind in ("SQ", "OB", "UN"):
        return struct.pack("<HH2sHI", *tag, kind.encode(), 0, len(value)) + value
    return struct.pack("<HH2sH", *tag, kind.encode(), len(value)) + value


def undefined(tag: tuple[int, int], content: bytes, implicit: bool = False) -> bytes:
    """A sequence of one item, both of undefined length."""
    head = struct.pack("<HHI", *tag, 0xFFFFFFFF)
    head = head if implicit else struct.pack("<HH2sHI", *tag, b"SQ", 0, 0xFFFFFFFF)
    item, end = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF), struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    return head + item + content + end + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def write_dicom(
    path: Path,
    series: str,
    syntax: str = EXPLICIT,
    shows: str = "VOLUME",
    kind: str = SLIDE_IMAGE,
    instance: str = "",
    container: str = "",
) -> Path:
    """With a sequence that holds another series number, and a patient's name, before its own.

    The instance's number follows from the path where none is given.
    """
    implicit = syntax == IMPLICIT
    instance = instance or f"1.2.9.{zlib.crc32(str(path).encode())}"
    other = element((0x0020, 0x000E), "UI", b"9.9.9", implicit)
    nested = undefined((0x0008, 0x1115), undefined((0x0008, 0x1115), other, implicit), implicit)
    body = [
        element((0x0008, 0x0008), "CS", f"ORIGINAL\\PRIMARY\\{shows}\\NONE".encode(), implicit),
        element((0x0008, 0x0016), "UI", kind.encode(), implicit),
        element((0x0008, 0x0018), "UI", instance.encode(), implicit),
        nested,
        element((0x0008, 0x1140), "SQ", b"", implicit),
        element((0x0010, 0x0010), "PN", b"Doe^Jane", implicit),
        element((0x0020, 0x000D), "UI", b"1.2.3.4.5", implicit),
        element((0x0020, 0x000E), "UI", series.encode(), implicit),
        element((0x0028, 0x0010), "US", b"\1\0", implicit),
        element((0x0040, 0x0512), "LO", container.encode(), implicit),
    ]
    content = b"".join(body)
    if syntax == DEFLATED:
        content = zlib.compress(content, wbits=-zlib.MAX_WBITS)
    meta = element((0x0002, 0x0001), "OB", b"\0\1") + element((0x0002, 0x0002), "UI", kind.encode())
    meta += element((0x0002, 0x0010), "UI", syntax.encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(128) + b"DICM" + meta + content)
    return path
