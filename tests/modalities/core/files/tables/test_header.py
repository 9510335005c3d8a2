"""The first column names, to tell a format by."""

import gzip

import pytest

from modalities.core.files.tables.header import header_of


@pytest.mark.parametrize(
    ("raw", "header"),
    [
        (b"a\tb,c\td\n1\t2\t3\n", ["a", "b,c", "d"]),
        (b'"a";"b"\r\n1;2\r\n', ["a", "b"]),
        (b"sep=;\r\na;b\r\n", ["a", "b"]),
        (b"", [""]),
    ],
)
def test_header_is_split_at_its_commonest_delimiter(tmp_path, raw, header):
    (tmp_path / "t.txt").write_bytes(raw)
    assert header_of(tmp_path / "t.txt") == header


@pytest.mark.parametrize(
    "raw", [b"a\tb\n", gzip.compress(b"a\tb\n" * 99)[:12] + b"\xff" * 9], ids=["a plain file", "damaged"]
)
def test_file_that_cannot_be_read_has_none(tmp_path, raw):
    (tmp_path / "t.txt.gz").write_bytes(raw)
    assert header_of(tmp_path / "t.txt.gz") == [""]
    assert header_of(tmp_path / "gone.txt") == [""]
