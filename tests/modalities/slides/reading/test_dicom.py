"""The series number of a DICOM file, whatever stands before it."""

import struct

import pytest

from modalities.slides.reading.dicom import is_dicom, series_of
from tests.modalities.dicom import DEFLATED, EXPLICIT, IMPLICIT, write_dicom


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.4.50"])
def test_the_series_is_found_behind_nested_sequences(tmp_path, syntax):
    path = write_dicom(tmp_path / "1.dcm", "1.2.826.0.1.3680043", syntax)
    assert series_of(path) == "1.2.826.0.1.3680043"
    assert is_dicom(path)


def test_nothing_behind_the_series_is_needed(tmp_path):
    path = write_dicom(tmp_path / "1.dcm", "1.2.3.4")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"1.2.3.4\0") + 8])
    assert series_of(path) == "1.2.3.4"


def test_sequences_within_sequences_without_end_are_refused(tmp_path):
    path = write_dicom(tmp_path / "1.dcm", "1.2.3")
    head, sequence = path.read_bytes()[:132], struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    path.write_bytes(head + (sequence + item) * 10_000)
    with pytest.raises(ValueError, match=r"^1\.dcm: a DICOM file that cannot be read \(maximum recursion depth"):
        series_of(path)


def test_other_files_and_damaged_ones_are_refused_by_name(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"no")
    write_dicom(tmp_path / "b.dcm", "1.2.3", DEFLATED)
    whole = write_dicom(tmp_path / "c.dcm", "1.2.3").read_bytes()
    (tmp_path / "c.dcm").write_bytes(whole[:150])
    assert not is_dicom(tmp_path / "a.dcm")
    for name in ("a", "b"):
        with pytest.raises(ValueError, match=rf"^{name}\.dcm: not a DICOM file of a series; export the slide again"):
            series_of(tmp_path / f"{name}.dcm")
    for n_bytes in range(132, len(whole) - 30):
        (tmp_path / "c.dcm").write_bytes(whole[:n_bytes])
        with pytest.raises(ValueError, match=r"^c\.dcm: "):
            series_of(tmp_path / "c.dcm")
