"""Encodings: what spreadsheet programs save is read, and said where it was told by what it is not."""

import gzip
import os
import re

import pytest

from modalities.core.files.remarks import remarked
from modalities.core.files.tables.decoding import beginning_of, bytes_of
from modalities.core.files.tables.delimited import rows_of
from modalities.core.files.tables.header import header_of

TEXT = "case;Größe;é\np;1;µ€\n"
ROWS = [["case", "Größe", "é"], ["p", "1", "µ€"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_encoding_of_a_spreadsheet_program_is_read(tmp_path, encoding):
    (tmp_path / "t.csv").write_bytes(TEXT.encode(encoding))
    assert rows_of(tmp_path / "t.csv") == ROWS
    assert header_of(tmp_path / "t.csv") == ROWS[0]


def test_big_endian_is_read(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xfe\xff" + TEXT.encode("utf-16-be"))
    assert rows_of(tmp_path / "t.csv") == ROWS


@pytest.mark.parametrize(
    ("raw", "level", "said"),
    [
        (TEXT.encode("cp1252"), "note", r"from line 1 on, with the characters µ ß é ö €"),
        ("cas;œstrogènes\np;élevé\n".encode("cp1252"), "note", r"from line 1 on, with the characters è é œ"),
        ("przypadek;x\np;ś ó\n".encode("cp1250"), "warning", r"from line 2 on, .* ó œ; if these are others.*"),
        (
            "case;x\np;gr\x9aß\n".encode("latin1"),
            "warning",
            r"from line 2 on, .* ß š; if these are others.*save it as UTF-8.*",
        ),
    ],
)
def test_ansi_is_said_and_what_no_western_table_holds_is_a_warning(tmp_path, raw, level, said):
    (tmp_path / "t.csv").write_bytes(raw)
    with remarked() as heard:
        rows_of(tmp_path / "t.csv")
        rows_of(tmp_path / "t.csv")
    (problem,) = heard
    assert problem.level == level
    assert re.fullmatch(rf"t\.csv: not UTF-8: read as Windows-1252 \(ANSI\), {said}", str(problem))


def test_utf8_is_not_remarked_on(tmp_path):
    (tmp_path / "t.csv").write_bytes(TEXT.encode())
    with remarked() as heard:
        rows_of(tmp_path / "t.csv")
    assert heard == []


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (
            "case;x\np;ö\n".encode() + b"q;\xe4\n",
            "line 3 is not UTF-8 text, though the rest of the file is; save it as",
        ),
        (b"\xef\xbb\xbfcase;x\np;\xe4\n", "line 2 is not UTF-8 text, though the rest of the file is; save it as"),
        (b"case;x\np;\x81\n", r"line 2 is neither UTF-8 nor Windows-1252 \(ANSI\) text; save it as"),
        (TEXT.encode("utf-16")[:-1], "line 2 is not UTF-16 text, though the file begins as such; the file is cut off"),
        ("case;x\np;1\n".encode("utf-16-le"), "line 1 holds a NUL character, as UTF-16 without its mark does"),
        (b"case;x\np;\x00\n", "line 2 holds a NUL character"),
        ("case;x\n".encode("utf-32"), "line 1 holds a NUL character"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "an Excel file of the old format or with a password; save it without a pass",
        ),
        (b"PK\x03\x04\x14\x00", "a workbook or another packed file, no text; an Excel workbook must end in .xlsx"),
    ],
)
def test_what_is_no_text_is_refused_with_place_and_remedy(tmp_path, raw, said):
    (tmp_path / "t.csv").write_bytes(raw)
    with pytest.raises(ValueError, match=rf"^t\.csv: {said}"):
        rows_of(tmp_path / "t.csv")


def test_beginning_that_cuts_a_character_in_two_is_still_told():
    assert beginning_of("aö".encode()[:2]) == "a"
    assert beginning_of("aö".encode("utf-16")[:5]) == "a"
    assert beginning_of(b"a\xf6b") == "aöb"


@pytest.mark.parametrize(("n_cells", "is_read"), [(200_000, True), (30_000_000, False)])
def test_a_gzip_file_that_unpacks_to_far_more_than_any_export_is_refused_before_it_fills_the_memory(
    tmp_path, n_cells, is_read
):
    with gzip.open(tmp_path / "t.csv.gz", "wb") as file:
        file.write(b"a,b\n" + b"1,2\n" * n_cells)
    if is_read:
        assert len(bytes_of(tmp_path / "t.csv.gz")) == 4 * (n_cells + 1)
        return
    with pytest.raises(ValueError, match=r"^t\.csv\.gz: [\d,]+ bytes that unpack to more than [\d,]+, as no"):
        bytes_of(tmp_path / "t.csv.gz")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"t\.csv: a folder, a pipe or a device, no file; correct the path"):
        rows_of(tmp_path / "t.csv")
