"""Damages a file the way that exports, editors and networks do."""

import gzip
import io
import re
import zipfile
from collections.abc import Callable
from xml.sax.saxutils import escape

from hypothesis import strategies as st

# fmt: off
CELLS = (
    "", " ", "NA", "nan", "-", "--", "'--", ".", "?", "#", "0", "-0", "1", "-2", "3", "1e999", "inf", "1,5", "1.5.2",
    "0x1F", "1_000", "True", "\uff11\uff12", "²", "\u0663", "é", "\x00", "\ufeff", "\u202e", "\u2028", '"', '""', 'a"b',
    "'", "=1+1", "9" * 400, "x" * 200, "TCGA-BH-A0B3", "TCGA-BH-A0B3-01A", "TCGA-BH-A0B3-11", "p1", "case_id", "label",
    "Positive", "[Not Available]", "LumA", "train", "T2", "Stage X", "50-59%", "metastasis", "\t", ",", ";", "\n", "\r",
    "${x}", "${", "!!python/object:x", "&a", "*a", "{", "[", "null", "~", "2020-01-01", "- -", ": ", "|", "[" * 2000,
)
# fmt: on
_IN_XML = ("A1", "B1048576", "XFD2", "AA3", "ZZZZ1", "s", "e", "b", "d", "str", "inlineStr", "n", "#REF!", "9" * 11)
_LINE_ENDINGS = (b"\r\n", b"\r", b"\n\n", b"\n\r", b"\x0b", b" \n")
_ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp1252", "utf-7")


def damaged(draw: Callable, raw: bytes, delimiter: str | None, is_gzip: bool = False, encoding: str = "utf-8") -> bytes:
    """The bytes after one to three mishaps; of a packed or encoded file, those of its content or of the file."""
    if raw.startswith(b"PK"):
        return _of_workbook(draw, raw)
    if encoding != "utf-8" and draw(st.booleans()):
        text = damaged(draw, raw.decode(encoding).encode(), delimiter)
        return text.decode(errors="replace").encode(encoding, errors="replace")
    if is_gzip and draw(st.booleans()):
        return _of_bytes(draw, raw)
    text = gzip.decompress(raw) if is_gzip else raw
    for _ in range(draw(st.integers(1, 3))):
        kinds = [_of_bytes, _of_lines, _of_endings, _of_encoding]
        kinds += [] if delimiter is None else [_of_cells, _of_cells, _of_columns, _of_delimiter]
        kind = draw(st.sampled_from(kinds))
        text = (
            kind(draw, text)
            if kind in (_of_bytes, _of_lines, _of_endings, _of_encoding)
            else kind(draw, text, (delimiter or ",").encode())
        )
    return gzip.compress(text, mtime=0) if is_gzip else text


def _of_workbook(draw: Callable, raw: bytes) -> bytes:
    """The file's bytes, or those of a part, or cells, rows, values and attributes in its XML."""
    if draw(st.integers(0, 3)) == 0:
        return _of_bytes(draw, raw)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from([sheet] * 5 + sorted(parts)))
        parts[name] = draw(st.sampled_from((_of_elements, _of_elements, _of_values, _of_bytes)))(draw, parts[name])
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return changed.getvalue()


def _of_elements(draw: Callable, xml: bytes) -> bytes:
    """A cell or row lost, doubled or moved, as whole elements."""
    elements = re.split(draw(st.sampled_from((rb"(?=<row\b)|(?<=</row>)", rb"(?=<c\b)|(?<=</c>)"))), xml)
    one, other = (draw(st.integers(0, len(elements) - 1)) for _ in range(2))
    what = draw(st.sampled_from(("lose", "double", "swap")))
    if what == "lose":
        del elements[one]
    elif what == "double":
        elements.insert(other, elements[one])
    else:
        elements[one], elements[other] = elements[other], elements[one]
    return b"".join(elements)


def _of_values(draw: Callable, xml: bytes) -> bytes:
    """Another text between two tags, or in an attribute."""
    patterns = (rb">([^<]*)<", rb"=\"([^\"]*)\"")
    places = [match.span(1) for pattern in patterns for match in re.finditer(pattern, xml)]
    if not places:
        return xml
    begin, end = places[draw(st.integers(0, len(places) - 1))]
    text = draw(st.one_of(st.sampled_from(CELLS), st.sampled_from(_IN_XML)))
    return xml[:begin] + escape(text, {'"': "&quot;"}).encode() + xml[end:]


def _of_bytes(draw: Callable, raw: bytes) -> bytes:
    """Cut off, a stretch lost, or some bytes put in or written over."""
    at = draw(st.integers(0, max(0, len(raw) - 1)))
    what = draw(st.sampled_from(("cut", "lose", "insert", "overwrite")))
    if what == "cut":
        return raw[:at]
    if what == "lose":
        return raw[:at] + raw[at + draw(st.integers(1, 40)) :]
    other = draw(st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from(CELLS).map(str.encode)))
    return raw[:at] + other + raw[at + (len(other) if what == "overwrite" else 0) :]


def _of_lines(draw: Callable, raw: bytes) -> bytes:
    """A line lost, doubled, moved or blanked."""
    lines = raw.split(b"\n")
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    what = draw(st.sampled_from(("lose", "double", "swap", "blank", "comment")))
    if what == "lose":
        del lines[one]
    elif what == "double":
        lines.insert(other, lines[one])
    elif what == "swap":
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines.insert(one, b"" if what == "blank" else b"# " + lines[other])
    return b"\n".join(lines)


def _of_endings(draw: Callable, raw: bytes) -> bytes:
    """Line ends of another system, everywhere or in places."""
    return raw.replace(b"\n", draw(st.sampled_from(_LINE_ENDINGS)), draw(st.sampled_from((1, 3, -1))))


def _of_encoding(draw: Callable, raw: bytes) -> bytes:
    """Saved in another encoding."""
    return raw.decode("utf-8", errors="replace").encode(draw(st.sampled_from(_ENCODINGS)), errors="replace")


def _of_cells(draw: Callable, raw: bytes, delimiter: bytes) -> bytes:
    """Another text in a cell."""
    lines = [line.split(delimiter) for line in raw.split(b"\n")]
    line = lines[draw(st.integers(0, len(lines) - 1))]
    line[draw(st.integers(0, len(line) - 1))] = draw(st.sampled_from(CELLS)).encode()
    return b"\n".join(delimiter.join(line) for line in lines)


def _of_columns(draw: Callable, raw: bytes, delimiter: bytes) -> bytes:
    """A column lost, doubled, emptied or moved."""
    lines = [line.split(delimiter) for line in raw.split(b"\n")]
    one, other = (draw(st.integers(0, len(lines[0]) - 1)) for _ in range(2))
    what = draw(st.sampled_from(("lose", "double", "empty", "swap")))
    for line in lines:
        if len(line) <= max(one, other):
            continue
        if what == "lose":
            del line[one]
        elif what == "double":
            line.insert(other, line[one])
        elif what == "empty":
            line[one] = b""
        else:
            line[one], line[other] = line[other], line[one]
    return b"\n".join(delimiter.join(line) for line in lines)


def _of_delimiter(draw: Callable, raw: bytes, delimiter: bytes) -> bytes:
    """Another delimiter, everywhere or in places."""
    return raw.replace(
        delimiter, draw(st.sampled_from((b",", b"\t", b";", b"|", b" "))), draw(st.sampled_from((1, 5, -1)))
    )
