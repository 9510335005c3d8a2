"""Which slide is whose."""

import os

import pytest

from modalities.core.contract import Source
from modalities.slides.config import SlidesConfig
from modalities.slides.reading.manifest import case_of_name, composition_tables, listed_files, listed_only
from tests.modalities.core.files.tables.workbooks import write_book
from tests.slides import glass, read_slides, with_tissue, write_slide


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def listed(*paths, **columns):
    return [(entry.path.name, entry.case_id, entry.left_out) for entry in listed_files(Source(paths, columns=columns))]


def test_barcode_says_the_case_in_any_case_and_normal_tissue_is_left_out(tmp_path):
    touch(tmp_path, "TCGA-A2-A04P-01Z-00-DX1.8F3A.svs", "tcga-cr-7395-01a-01-ts1.svs", "TCGA-A2-A04Q-11A-01-TS1.svs")
    assert listed(tmp_path) == [
        ("TCGA-A2-A04P-01Z-00-DX1.8F3A.svs", "TCGA-A2-A04P", ""),
        ("TCGA-A2-A04Q-11A-01-TS1.svs", "", "no primary tumour, by its barcode"),
        ("tcga-cr-7395-01a-01-ts1.svs", "TCGA-CR-7395", ""),
    ]
    assert case_of_name("Ward 3") == "Ward 3"


def test_file_name_is_the_case_where_nothing_else_says_it(tmp_path):
    touch(tmp_path, "case-7.ndpi", "notes.txt", ".hidden/case-8.svs")
    assert listed(tmp_path) == [("case-7.ndpi", "case-7", "")]


def test_manifest_gives_several_slides_to_a_case_and_their_resolution(tmp_path):
    touch(tmp_path, "a/S1.svs", "a/S2.svs", "S3.tiff", "S4.svs")
    (tmp_path / "slides.csv").write_text("case_id,slide,mpp\nc1,S1,0.25\nc1,a/S2.svs,\nc2,S3.tiff,0.5\nc3,S9.svs,\n")
    found = listed_files(Source((tmp_path,)))
    assert [(entry.slide, entry.case_id, entry.mpp, entry.left_out) for entry in found] == [
        ("S1", "c1", 0.25, ""),
        ("S2", "c1", 0.0, ""),
        ("S3", "c2", 0.5, ""),
        ("S4", "", 0.0, "not in slides.csv"),
        ("S9", "c3", 0.0, "no such file; correct slides.csv or copy the slide"),
    ]


def test_manifest_that_names_what_can_be_no_file_says_that_it_is_not_there(tmp_path):
    touch(tmp_path, "S1.svs")
    (tmp_path / "slides.csv").write_text(f"case_id,slide\nc1,S1\nc2,{'9' * 400}\n")
    said = [(entry.case_id, entry.left_out) for entry in listed_files(Source((tmp_path,)))]
    assert sorted(said) == [("c1", ""), ("c2", "no such file; correct slides.csv or copy the slide")]


@pytest.mark.parametrize("name", ["slides.tsv", "slides.txt", "slides.xlsx"])
def test_manifest_may_be_any_table_and_two_are_refused(tmp_path, name):
    touch(tmp_path, "S1.svs")
    rows = [["case_id", "slide", "mpp"], ["c1", "S1", 0.25]]
    if name.endswith(".xlsx"):
        write_book(tmp_path / name, rows)
    else:
        (tmp_path / name).write_text("\n".join("\t".join(map(str, row)) for row in rows))
    (entry,) = listed_files(Source((tmp_path,)))
    assert (entry.case_id, entry.mpp) == ("c1", 0.25)
    (tmp_path / "slides.csv").write_text("case_id,slide\nc1,S1\n")
    with pytest.raises(ValueError, match=rf"slides\.csv: 2 lists of slides: .*slides\.csv, .*{name}; keep one of them"):
        listed_files(Source((tmp_path,)))


def test_manifest_may_lie_elsewhere_and_have_the_sites_own_columns(tmp_path):
    touch(tmp_path / "raw", "S1.svs")
    (tmp_path / "list.csv").write_text("patient,file,um\np1,S1.svs,0.4\n")
    source = Source(
        (tmp_path / "raw", tmp_path / "list.csv"), columns={"case_id": "patient", "slide": "file", "mpp": "um"}
    )
    assert [(entry.case_id, entry.mpp) for entry in listed_files(source)] == [("p1", 0.4)]


def test_every_problem_of_a_manifest_is_said_at_once(tmp_path):
    touch(tmp_path, "a/S1.svs", "b/S1.svs", "S2.svs")
    (tmp_path / "slides.csv").write_text("case_id,slide,mpp\nc1,S1,\nc1,S2,fine\nc2,S2.svs,-1\n,S2,0\n")
    with pytest.raises(ValueError, match=r"slides\.csv, line 3: ") as error:
        listed_files(Source((tmp_path,)))
    for problem in (
        "line 2: 'S1' is the name of 2 files; give its path in the folder",
        "line 3: mpp must be a positive number, got 'fine'",
        "line 4: mpp must be a positive number, got '-1'",
        "line 5: case_id and slide must not be empty",
        "line 4: 'S2.svs' is listed more than once",
    ):
        assert problem in str(error.value)


def test_manifest_without_its_columns_says_which(tmp_path):
    touch(tmp_path, "S1.svs")
    (tmp_path / "slides.csv").write_text("patient,slide\nc1,S1\n")
    with pytest.raises(ValueError, match=r"slides\.csv: no column case_id; it needs case_id and slide"):
        listed_files(Source((tmp_path,)))


def test_folder_without_slides_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"no slide \(\.svs .*\) and no tile features \(\.h5"):
        listed_files(Source((touch(tmp_path, "notes.txt"),)))


def test_features_win_over_the_slide_and_over_a_pt_of_the_same_name(tmp_path):
    touch(tmp_path, "x/S1.svs", "x/S1.h5", "x/S1.pt", "y/S2.svs", "y/S2.svs2")
    assert [name for name, _, _ in listed(tmp_path / "x", tmp_path / "y")] == ["S1.h5", "S2.svs"]


def test_first_path_wins_between_slides_and_features(tmp_path):
    touch(tmp_path, "slides/S1.svs", "features/S1.h5", "features/S2.h5")
    found = [name for name, _, _ in listed(tmp_path / "slides", tmp_path / "features")]
    assert found == ["S1.svs", "S2.h5"]


def test_what_looks_like_a_slide_and_cannot_be_read_is_named_with_what_to_do(tmp_path):
    touch(tmp_path, "S1.isyntax", "S2.vsi", "S3.svs", "S4.dcm", "notes", "LICENSE.1", "S10.kfb")
    (tmp_path / "S5.svs").symlink_to(tmp_path / "gone.svs")
    (tmp_path / "S6.svs").symlink_to(tmp_path / "S6.svs")
    for name in ("S7.svs", "S8.dcm", "S9"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "S11").symlink_to("/dev/zero")
    assert {name: left_out for name, _, left_out in listed(tmp_path)} == {
        "S1.isyntax": "OpenSlide does not read Philips iSyntax; export the slide as DICOM or TIFF",
        "S10.kfb": "OpenSlide does not read KFBio's format; export the slide as SVS or TIFF with the scanner's "
        "software",
        "S11": "neither a file nor a link to one; take it out",
        "S2.vsi": "OpenSlide does not read Olympus VSI; export the slide as DICOM or TIFF, or convert it with "
        "bioformats2raw and then "
        "raw2ometiff --rgb",
        "S3.svs": "",
        "S4.dcm": "not a DICOM file of a series; export the slide again",
        "S5.svs": "a link that leads nowhere; correct it or take it out",
        "S6.svs": "a link that leads nowhere; correct it or take it out",
        "S7.svs": "neither a file nor a link to one; take it out",
        "S8.dcm": "neither a file nor a link to one; take it out",
        "S9": "neither a file nor a link to one; take it out",
    }


def test_a_slide_that_cannot_be_read_stays_so_when_the_manifest_lists_it(tmp_path):
    touch(tmp_path, "S1.isyntax", "S2.svs")
    (tmp_path / "slides.csv").write_text("case_id,slide\nc1,S1.isyntax\nc2,S2\n")
    assert [(case_id, left_out[:7]) for _, case_id, left_out in listed(tmp_path)] == [("c1", "OpenSli"), ("c2", "")]


def test_a_folder_in_the_manifest_stands_for_every_slide_in_it(tmp_path):
    touch(tmp_path, "P-01/a/S1.svs", "P-01/b/S2.svs", "P-02/S1.svs", "P-03/S4.svs")
    (tmp_path / "slides.csv").write_text("case_id,slide,mpp\nc1,P-01,0.25\nc2,P-02/,\nc3,P-03/S4.svs,\n")
    found = [(entry.path.parent.name, entry.case_id, entry.mpp) for entry in listed_files(Source((tmp_path,)))]
    assert found == [("a", "c1", 0.25), ("P-02", "c2", 0.0), ("b", "c1", 0.25), ("P-03", "c3", 0.0)]
    (tmp_path / "slides.csv").write_text("case_id,slide\nc1,P-01\nc2,S2.svs\n")
    with pytest.raises(ValueError, match=r"line 3: 'S2\.svs' is listed more than once"):
        listed_files(Source((tmp_path,)))


def test_links_that_lead_nowhere_do_not_keep_the_other_slides_from_being_read(tmp_path):
    write_slide(tmp_path / "slides" / "S1.svs", with_tissue(glass(701, 1100), 130, 130, 500, 700))
    (tmp_path / "slides" / "S2.svs").symlink_to(tmp_path / "gone.svs")
    (tmp_path / "slides" / "S3.h5").symlink_to(tmp_path / "slides" / "S3.h5")
    cases, notes = read_slides(Source((tmp_path / "slides",)), SlidesConfig(n_tiles=3))
    assert (list(cases), notes) == (["S1"], {"slides that could not be read": 2})


def test_what_slides_csv_leaves_out_is_no_failure_be_it_a_link_that_leads_nowhere(tmp_path):
    write_slide(tmp_path / "slides" / "S1.svs", with_tissue(glass(701, 1100), 130, 130, 500, 700))
    (tmp_path / "slides" / "S2.svs").symlink_to(tmp_path / "gone.svs")
    (tmp_path / "slides" / "slides.csv").write_text("case_id,slide\nc1,S1\nc3,S3\n")
    cases, notes = read_slides(Source((tmp_path / "slides",)), SlidesConfig(n_tiles=3))
    assert (list(cases), notes) == (
        ["c1"],
        {"slides left out (not in slides.csv)": 1, "slides that could not be read": 1},
    )


def test_slides_of_cases_that_the_site_does_not_list_say_so(tmp_path):
    touch(tmp_path, "c1.svs", "c2.svs")
    found = listed_only(listed_files(Source((tmp_path,))), {"c2"})
    assert [entry.left_out for entry in found] == ["its case is not in cases.csv", ""]


def test_table_with_places_is_a_composition_and_no_manifest(tmp_path):
    touch(tmp_path, "S1.svs")
    (tmp_path / "nuclei.csv").write_text("slide,x,y,tumour\nS1,0,0,3\n")
    source = Source((tmp_path, tmp_path / "nuclei.csv"))
    assert composition_tables(source) == [tmp_path / "nuclei.csv"]
    assert [entry.case_id for entry in listed_files(source)] == ["S1"]


def test_a_name_that_is_no_text_is_shown_as_bytes_and_keeps_no_other_slide_back(tmp_path):
    touch(tmp_path, "S1.svs", "sub/S2.h5")
    for name in (b"caf\xe9.svs", b"sub/\xff.h5", b"notes\xe9.txt"):
        (tmp_path / os.fsdecode(name)).write_bytes(b"")
    assert listed(tmp_path) == [
        ("S1.svs", "S1", ""),
        ("S2.h5", "S2", ""),
        ("\\xff.h5", "\\xff", "its name is no UTF-8 text; rename it"),
        ("caf\\xe9.svs", "caf\\xe9", "its name is no UTF-8 text; rename it"),
    ]
