"""What a DICOM file says of itself, whatever stands before it."""

import struct

import pytest

from modalities.slides.reading.dicom import header_of, is_dicom, is_directory_of_others
from tests.modalities.dicom import DEFLATED, EXPLICIT, IMPLICIT, write_dicom


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.4.50"])
def test_the_series_is_found_behind_nested_sequences(tmp_path, syntax):
    path = write_dicom(tmp_path / "1.dcm", "1.2.826.0.1.3680043", syntax, instance="1.2.77")
    found = header_of(path)
    assert (found.series, found.instance, found.shows) == ("1.2.826.0.1.3680043", "1.2.77", "VOLUME")
    assert is_dicom(path)


def test_nothing_behind_the_series_is_needed(tmp_path):
    path = write_dicom(tmp_path / "1.dcm", "1.2.3.4")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"1.2.3.4\0") + 8])
    assert header_of(path).series == "1.2.3.4"


@pytest.mark.parametrize("shows", ["LABEL", "OVERVIEW", "THUMBNAIL", "LOCALIZER"])
def test_only_levels_of_the_slide_are_to_be_read(tmp_path, shows):
    found = header_of(write_dicom(tmp_path / "1.dcm", "1.2.3", shows=shows))
    assert (found.shows, found.is_slide_image) == (shows, False)
    assert header_of(write_dicom(tmp_path / "2.dcm", "1.2.3")).is_slide_image


def test_a_volume_of_another_kind_is_no_slide(tmp_path):
    computed_tomography = "1.2.840.10008.5.1.4.1.1.2"
    assert header_of(write_dicom(tmp_path / "1.dcm", "1.2.3", kind=computed_tomography)).shows == ""


def test_a_directory_of_others_is_known(tmp_path):
    assert is_directory_of_others(write_dicom(tmp_path / "DICOMDIR", "", kind="1.2.840.10008.1.3.10"))
    assert not is_directory_of_others(write_dicom(tmp_path / "1.dcm", "1.2.3"))


def test_a_file_that_was_changed_is_looked_at_again(tmp_path):
    path = write_dicom(tmp_path / "1.dcm", "1.2.3")
    assert header_of(path).series == "1.2.3"
    assert header_of(write_dicom(path, "1.2.3.4.5.6")).series == "1.2.3.4.5.6"


def test_sequences_within_sequences_without_end_are_refused(tmp_path):
    path = write_dicom(tmp_path / "1.dcm", "1.2.3")
    head, sequence = path.read_bytes()[:132], struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    path.write_bytes(head + (sequence + item) * 10_000)
    with pytest.raises(ValueError, match=r"^1\.dcm: a DICOM file that cannot be read \(RecursionError\); export it"):
        header_of(path)


def test_other_files_and_damaged_ones_are_refused_by_name(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"no")
    write_dicom(tmp_path / "b.dcm", "1.2.3", DEFLATED)
    write_dicom(tmp_path / "d.dcm", "Doe^Jane")
    whole = write_dicom(tmp_path / "c.dcm", "1.2.3").read_bytes()
    (tmp_path / "c.dcm").write_bytes(whole[:150])
    assert not is_dicom(tmp_path / "a.dcm")
    for name in ("a", "b", "d"):
        with pytest.raises(ValueError, match=rf"^{name}\.dcm: not a DICOM file of a series; export the slide again"):
            header_of(tmp_path / f"{name}.dcm")
    for n_bytes in range(132, len(whole) - 30):
        (tmp_path / "c.dcm").write_bytes(whole[:n_bytes])
        with pytest.raises(ValueError, match=r"^c\.dcm: "):
            header_of(tmp_path / "c.dcm")
