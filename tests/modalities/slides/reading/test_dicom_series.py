"""The DICOM slides of a folder: one a series, none lost, none unnamed."""

import pytest

from modalities.core.contract import Source
from modalities.slides.reading.manifest import listed_files
from tests import dicom_slides
from tests.dicom_slides import change
from tests.modalities.dicom import write_dicom


def listed(*paths):
    found = listed_files(Source(paths))
    return sorted((entry.slide, entry.case_id, entry.left_out, entry.is_unreadable) for entry in found)


def test_each_series_of_a_folder_is_a_slide_however_many_files_it_has(tmp_path):
    for name, series in (("a/1", "1.2.3"), ("a/2", "1.2.4"), ("a/3", "1.2.3"), ("a/4", "1.2.4"), ("b/1", "1.2.5")):
        write_dicom(tmp_path / f"{name}.dcm", series)
    found = [f"{entry.path.parent.name}/{entry.path.name}" for entry in listed_files(Source((tmp_path,)))]
    assert sorted(found) == ["a/1.dcm", "a/2.dcm", "b/1.dcm"]


def test_files_without_an_ending_or_with_any_other_are_told_by_their_content(tmp_path):
    for name, series in (("1.2.840.7", "1.2.9"), ("1.2.840.8", "1.2.9"), ("IM000001", "1.2.8"), ("x.ima", "1.2.7")):
        write_dicom(tmp_path / name, series)
    (tmp_path / "1.2.840.9").write_text("no slide")
    assert listed(tmp_path) == [
        ("1.2.9", "1.2.9", "", False),
        ("IM000001", "IM000001", "", False),
        ("x", "x", "", False),
    ]


def test_a_slide_is_called_after_its_only_file_or_the_folder_that_is_its_own_or_its_series(tmp_path):
    for name, series in (
        *(("P-01/1", "1.2.3"), ("P-01/2", "1.2.3")),
        *(("P-02/1", "1.2.4"), ("P-02/2", "1.2.4"), ("P-02/3", "1.2.5"), ("P-02/4", "1.2.5")),
        *(("P-03.dcm", "1.2.6"), ("7", "1.2.7"), ("8", "1.2.7")),
    ):
        write_dicom(tmp_path / name, series)
    assert [slide for slide, *_ in listed(tmp_path)] == ["1.2.4", "1.2.5", "1.2.7", "P-01", "P-03"]


def test_slides_csv_names_them_by_file_series_container_or_folder(tmp_path):
    for number, (name, series) in enumerate(
        (("p/1", "1.2.3"), ("p/2", "1.2.3"), ("q/a/3", "1.2.4"), ("q/b/4", "1.2.5"), ("p/5", "1.2.6"), ("p/6", "1.2.7"))
    ):
        write_dicom(tmp_path / name, series, container=f"S26-{number}")
    rows = "c1,p/2\nc2,q\nc3,1.2.6\nc4,S26-5\nc5,S26-9\n"
    (tmp_path / "slides.csv").write_text(f"case_id,slide\n{rows}")
    absent = "no such file; correct slides.csv or copy the slide"
    assert listed(tmp_path) == [
        ("1.2.3", "c1", "", False),
        ("3", "c2", "", False),
        ("4", "c2", "", False),
        ("5", "c3", "", False),
        ("6", "c4", "", False),
        ("S26-9", "c5", absent, True),
    ]


def test_a_container_of_two_slides_is_no_name(tmp_path):
    for name, series in (("1", "1.2.3"), ("2", "1.2.4")):
        write_dicom(tmp_path / name, series, container="Unknown")
    (tmp_path / "slides.csv").write_text("case_id,slide\nc1,Unknown\n")
    with pytest.raises(ValueError, match=r"line 2: 'Unknown' is the name of 2 files; give its path in the folder"):
        listed(tmp_path)


def test_a_container_names_the_slide_though_its_label_is_a_series_of_its_own(tmp_path):
    write_dicom(tmp_path / "IM1", "1.2", container="S26-01")
    write_dicom(tmp_path / "IM2", "1.3", container="S26-01", shows="LABEL")
    (tmp_path / "slides.csv").write_text("case_id,slide\nc1,S26-01\n")
    found = [(entry.path.name, entry.case_id, entry.left_out) for entry in listed_files(Source((tmp_path,)))]
    assert found == [("IM1", "c1", ""), ("IM2", "", "not in slides.csv")]


def test_series_that_show_no_slide_are_left_out_and_say_why(tmp_path):
    write_dicom(tmp_path / "a", "1.2.3", shows="LABEL")
    write_dicom(tmp_path / "b", "1.2.3", shows="OVERVIEW")
    write_dicom(tmp_path / "c", "1.2.4", kind="1.2.840.10008.5.1.4.1.1.2")
    write_dicom(tmp_path / "DICOMDIR", "", kind="1.2.840.10008.1.3.10")
    assert listed(tmp_path) == [
        ("1.2.3", "1.2.3", "a DICOM series of LABEL, OVERVIEW images only", False),
        ("c", "c", "DICOM, but no whole slide image", False),
    ]


def test_a_damaged_file_is_named_and_stops_no_other(tmp_path):
    content = write_dicom(tmp_path / "a", "1.2.3").read_bytes()
    (tmp_path / "b").write_bytes(content[:200])
    slide, damaged = listed(tmp_path)
    assert slide == ("a", "a", "", False)
    assert (damaged[0], damaged[3]) == ("b", True)
    assert "; export" in damaged[2]


def test_files_of_a_slide_in_several_folders_are_named_and_copies_are_a_slide_each(tmp_path):
    for name in ("a/1", "b/2", "c/3"):
        write_dicom(tmp_path / name, "1.2.3", instance=f"1.9.{name[-1]}")
    for name in ("d/1", "d/2", "e/1", "e/2"):
        write_dicom(tmp_path / name, "1.2.4", instance=f"1.8.{name[-1]}")
    spread = "the files of this slide lie in 3 folders; put them into one"
    assert listed(tmp_path) == [
        *((slide, slide, spread, True) for slide in ("1", "2", "3")),
        *((slide, slide, "", False) for slide in ("d", "e")),
    ]


def test_a_level_whose_part_is_missing_is_named(tmp_path, made_up_slide):
    files = dicom_slides.write_dicom_slide(tmp_path, made_up_slide, dicom_slides.JPEG)
    first, second = dicom_slides.divide(files[0], first=7)
    assert [left_out for _, _, left_out, _ in listed(tmp_path)] == [""]
    first.unlink()
    ((_, _, left_out, is_unreadable),) = listed(tmp_path)
    assert left_out == "1 of the 2 files of a level are missing; export the whole series again"
    assert is_unreadable
    change(second, lambda dataset: delattr(dataset, "InConcatenationTotalNumber"))
    ((_, _, left_out, _),) = listed(tmp_path)
    assert left_out.startswith("1 of the 2 files")
