"""What a server or a manifest says of a file is checked before any of it becomes a path."""

import pytest

from modalities.core.problems import ProblemsError
from simulations.download.choice import chosen
from simulations.download.entries import Entry, Sample, checked, manifest_of, read_manifest
from tests.simulations.download.made import file_of, id_of, make, portal_of
from tests.simulations.download.portal import serving

MD5 = "0" * 32
GENES = "Gene Level Copy Number"


def entry(number=1, name="a.txt", **more):
    return Entry(**{"id": id_of(number), "name": name, "md5": MD5, "size": 7, "type": "Slide Image", **more})


@pytest.mark.parametrize(
    "name", ["../up.txt", "/etc/passwd", "a/b", "a\\b", "..", ".", "", ".hidden", "a\nb", "a\0b", "x" * 201, "é" * 101]
)
def test_a_name_that_is_more_than_a_name_is_refused(name):
    with pytest.raises(ProblemsError, match="is no plain file name; nothing was fetched"):
        checked([entry(name=name)], "files")


def test_names_of_every_kind_of_file_of_the_gdc_pass():
    names = [
        "TCGA-AN-A0FL-01Z-00-DX1.20A041C6-A306-4599-A7D1-65032A252AA9.svs",
        "HERMS_p_TCGAb (1).seg.v2.txt",
        "é.txt",
    ]
    assert [held.name for held in checked([entry(n, name) for n, name in enumerate(names)], "files")] == names


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(ProblemsError) as raised:
        checked([entry(id="../1"), entry(2, md5="abc"), entry(3, size=-1)], "files")
    assert [problem.what for problem in raised.value.problems] == [
        "'../1' is no id of the GDC",
        "'a.txt': 'abc' is no MD5",
        "'a.txt': a size of -1 bytes",
    ]


def test_a_server_cannot_write_outside_the_folder(tmp_path):
    with (
        serving(portal_of([file_of(1, 9, name="../../../../elsewhere.txt")])) as portal,
        pytest.raises(ProblemsError, match=r"elsewhere\.txt' is no plain file name"),
    ):
        make(portal, tmp_path / "a" / "b")
    assert not portal.asked
    assert not list(tmp_path.rglob("elsewhere*"))


def test_a_type_becomes_a_plain_folder_whatever_it_says():
    assert entry(type="../../Masked Copy/Number  Segment").folder == "masked_copy_number_segment"
    assert entry(type="..").folder == "files"


def test_a_manifest_is_read_as_it_is_written(tmp_path):
    held = [entry(3, "b.svs", type=""), entry(5, "c.svs", size=0, state="live", type="")]
    (tmp_path / "m.txt").write_text(manifest_of(held))
    assert read_manifest(tmp_path / "m.txt") == held


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id\tmd5\tsize\n", "no column filename; give a manifest as the GDC's portal writes it"),
        ("id\tfilename\tmd5\tsize\n", "a header and no file"),
        (f"id\tfilename\tmd5\tsize\n{id_of(1)}\ta\t{MD5}\t1 GB\n", "the size is no number of bytes in line 2"),
        (f"id\tfilename\tmd5\tsize\n{id_of(1)}\ta\t{MD5}\t1\n{id_of(1)}\ta\t{MD5}\t1\n", "files listed more than once"),
        (f"id\tfilename\tmd5\tsize\n{id_of(1)}\t../a\t{MD5}\t1\n", "m.txt: '../a' is no plain file name"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path, text, words):
    (tmp_path / "m.txt").write_text(text)
    with pytest.raises(ProblemsError, match=words):
        read_manifest(tmp_path / "m.txt")


def test_files_of_a_manifest_that_the_gdc_does_not_know_are_listed_and_the_others_fetched(tmp_path):
    known, gone = file_of(1, 17), entry(2, "gone.txt")
    listed = [Entry(known.id, known.name, known.hit()["md5sum"], 17), gone]
    (tmp_path / "m.txt").write_text(manifest_of(listed))
    with (
        serving(portal_of([known, file_of(3, 19)])) as portal,
        pytest.raises(ProblemsError, match=r"the GDC does not know it .*: gone\.txt\n1 of 2 files are missing"),
    ):
        make(portal, tmp_path / "out", manifest=tmp_path / "m.txt", labels="none", clinical="none")
    assert {file_id for file_id, _, _ in portal.asked} == {known.id}
    assert (tmp_path / "out" / "masked_copy_number_segment" / known.id / known.name).read_bytes() == known.content


def test_a_manifest_of_an_older_version_of_a_file_is_refused(tmp_path):
    file = file_of(1, 17)
    (tmp_path / "m.txt").write_text(manifest_of([Entry(file.id, file.name, MD5, 17)]))
    with (
        serving(portal_of([file])) as portal,
        pytest.raises(ProblemsError, match=f"another name or MD5 for 1 files of the manifest: {file.name}"),
    ):
        make(portal, tmp_path / "out", manifest=tmp_path / "m.txt")


def of_case(number, aliquot, **more):
    sample = Sample("TCGA-A1-A0SB", aliquot[:16], aliquot)
    return entry(number, f"{number}.txt", type=GENES, workflow="ASCAT3", samples=(sample,), **more)


def test_of_several_aliquots_the_unamplified_one_of_the_latest_plate_is_taken():
    entries = [
        of_case(1, "TCGA-A1-A0SB-01A-11D-A100-01"),
        of_case(2, "TCGA-A1-A0SB-01A-11D-A142-01"),
        of_case(3, "TCGA-A1-A0SB-01A-11W-A200-01"),
        of_case(4, "TCGA-A1-A0SB-10A-11D-A300-01"),  # blood: the reader leaves it out
    ]
    kept, notes = chosen(entries, [GENES])
    assert [held.name for held in kept] == ["2.txt", "4.txt"]
    assert "2 files of a case's further aliquots are left out: 1.txt, 3.txt" in notes[0].what


def test_slides_of_a_case_are_all_taken():
    sample = (Sample("TCGA-A1-A0SB", "TCGA-A1-A0SB-01Z"),)
    kept, notes = chosen([entry(number, samples=sample) for number in (1, 2, 3)], ["Slide Image"])
    assert (len(kept), notes) == (3, [])


def test_workflows_are_not_mixed():
    entries = [of_case(1, "TCGA-A1-A0SB-01A-11D-A100-01"), entry(2, type=GENES, workflow="ABSOLUTE LiftOver")]
    with pytest.raises(ProblemsError, match="2 workflows, ABSOLUTE LiftOver, ASCAT3; choose one: --filter 'analysis"):
        chosen(entries, [GENES])


def test_controlled_files_are_left_out_and_named():
    kept, notes = chosen([entry(1), entry(2, "b.bam", access="controlled")], ["Slide Image"])
    assert [held.name for held in kept] == ["a.txt"]
    assert notes[0].what == "1 files of controlled access are left out: b.bam"
    with pytest.raises(ProblemsError, match="no open file of the type 'Slide Image'"):
        chosen([entry(2, access="controlled")], ["Slide Image"])
