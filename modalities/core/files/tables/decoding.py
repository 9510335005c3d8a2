"""A file's text, as spreadsheet programs save it: UTF-8, UTF-16 with its mark, or else Windows-1252 ("ANSI")."""

import codecs
import gzip
import io
import zlib
from pathlib import Path

from modalities.core.files.packed import most_bytes, refuse_bomb
from modalities.core.files.remarks import remark
from modalities.core.problems import Problem, note, unusable, warning

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ANSI = "cp1252"
_AS_UTF8 = 'save it as UTF-8 (in Excel: Save as, "CSV UTF-8"; in LibreOffice: character set UTF-8)'
_NOT_WESTERN = set("‚ƒ„†‡ˆ‰Š‹šŽž›œ˜¤¦¬¯¸")  # noqa: RUF001
"""What the umlauts and accents of another code page or of a Mac become, and no table of a western language holds."""
_OLD_EXCEL, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"
_OTHER_FILES = {
    _OLD_EXCEL: ("an Excel file of the old format or with a password", "save it without a password as .xlsx or as CSV"),
    _ZIP: ("a workbook or another packed file, no text", "an Excel workbook must end in .xlsx"),
}


def bytes_of(path: Path) -> bytes:
    """The file's content, unpacked where it is a .gz.

    Raises:
        ValueError: there is no such file, it cannot be read, or the gzip file is damaged, or unpacks to far too much.
    """
    if path.exists() and not path.is_file():
        raise unusable("a folder, a pipe or a device, no file", "correct the path in site.yaml", file=str(path))
    if not path.is_file():
        raise unusable("no such file", "correct the path in site.yaml", file=str(path))
    try:
        raw = path.read_bytes()
    except OSError as error:
        what, remedy = f"cannot be read ({error.strerror})", "give this user the right to read it"
        raise unusable(what, remedy, file=path.name) from None
    try:
        return _unpacked(path, raw) if path.suffix.lower() == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise unusable("the gzip file is damaged or cut off", "copy it again", file=path.name) from error


def _unpacked(path: Path, raw: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
        content = file.read(most_bytes(len(raw)) + 1)
    refuse_bomb(path, len(content), len(raw))
    return content


def text_of(path: Path) -> str:
    """The file as text; that it was read as Windows-1252 is remarked.

    Raises:
        ValueError: it is no text in any of the encodings, with the line.
    """
    raw = bytes_of(path)
    if other := next((said for mark, said in _OTHER_FILES.items() if raw.startswith(mark)), None):
        raise unusable(*other, file=path.name)
    text = _as_utf16(path, raw) if raw.startswith(_UTF16) else _as_utf8(path, raw)
    if "\0" in text:
        where = f"line {text[: text.index(chr(0))].count(chr(10)) + 1}"
        what = f"{where} holds a NUL character, as UTF-16 without its mark does, or a damaged file"
        raise unusable(what, _AS_UTF8, file=path.name, where=where)
    return text


def beginning_of(raw: bytes) -> str:
    """The text that these first bytes of a file begin with, to tell its format by; never an error."""
    if raw.startswith(_UTF16):
        return raw[: len(raw) // 2 * 2].decode("utf-16", errors="replace")
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(raw)  # a character may be cut in two
    except UnicodeDecodeError:
        return raw.decode(_ANSI, errors="replace")


def _as_utf16(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-16")
    except UnicodeDecodeError as error:
        where = f"line {raw[: error.start].decode('utf-16', errors='ignore').count(chr(10)) + 1}"
        what = f"{where} is not UTF-16 text, though the file begins as such"
        raise unusable(what, "the file is cut off or damaged: export it again", file=path.name, where=where) from None


def _as_utf8(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _as_windows(path, raw, f"line {error.object[: error.start].count(10) + 1}")  # without the mark


def _as_windows(path: Path, raw: bytes, where: str) -> str:
    """Text that is no UTF-8 as Windows-1252; refused where parts of it are UTF-8, since one of the two is damage."""
    if raw.startswith(codecs.BOM_UTF8) or not raw.decode("utf-8", errors="ignore").isascii():
        what = f"{where} is not UTF-8 text, though the rest of the file is"
        raise unusable(what, _AS_UTF8, file=path.name, where=where)
    try:
        text = raw.decode(_ANSI)
    except UnicodeDecodeError as error:
        where = f"line {raw[: error.start].count(10) + 1}"
        what = f"{where} is neither UTF-8 nor Windows-1252 (ANSI) text"
        raise unusable(what, _AS_UTF8, file=path.name, where=where) from None
    remark(_said_of_windows(path, where, sorted({sign for sign in text if not sign.isascii()})))
    return text


def _said_of_windows(path: Path, where: str, signs: list[str]) -> Problem:
    what = f"not UTF-8: read as Windows-1252 (ANSI), from {where} on, with the characters {' '.join(signs[:20])}"
    strange = _NOT_WESTERN.intersection(signs)
    if strange - {"œ"} or (strange and not {"é", "è"} & {*signs}):  # French has both; Polish has the byte of œ as its ś
        return warning(what, f"if these are others in the file, {_AS_UTF8}", file=path.name, where=where)
    return note(what, file=path.name, where=where)
