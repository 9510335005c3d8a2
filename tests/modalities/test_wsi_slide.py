"""Slide embeddings of a site as its cases, and files that do not go together."""

import h5py
import numpy as np
import pytest
import torch

from modalities import wsi_slide
from modalities.core.contract import Source
from tests.modalities.wsi import config_of, write_stamp_embeddings, write_trident_embeddings

RNG = np.random.default_rng(0)


def vector(folder, name, values):
    folder.mkdir(exist_ok=True)
    torch.save(torch.tensor(values), folder / f"{name}.pt")


def read(*folders, **settings):
    return wsi_slide.read(Source(folders), config_of("wsi_slide", **settings))


def test_several_slides_of_a_case_are_averaged_by_slides_csv(tmp_path):
    folder = tmp_path / "embeddings"
    vector(folder, "S1", [1.0, 2.0, 9.0])
    vector(folder, "S2", [3.0, 6.0, 0.0])
    vector(folder, "S3", [0.5, 0.5, 0.5])
    (folder / "slides.csv").write_text("case_id,slide\ncase-b,S1\ncase-b,S2\ncase-a,S3\n")
    cases = read(folder)
    assert cases.case_ids == ("case-a", "case-b")
    assert cases.values.tolist() == [[0.5, 0.5, 0.5], [2.0, 4.0, 4.5]]
    assert cases.values.dtype == np.float32
    assert cases.notes == {"slides that could not be read": 0}


def test_cases_are_told_by_barcodes_and_normal_tissue_is_left_out(tmp_path):
    for name, value in (("TCGA-A2-A04P-01Z-00-DX1", 1.0), ("TCGA-A2-A04P-01Z-00-DX2", 3.0), ("TCGA-A2-A04P-11A", 9.0)):
        vector(tmp_path / "e", name, [value])
    cases = read(tmp_path / "e")
    assert (cases.case_ids, cases.values.tolist()) == (("TCGA-A2-A04P",), [[2.0]])
    assert cases.notes["slides left out (no primary tumour, by its barcode)"] == 1


def test_stamps_file_of_all_slides_is_dealt_out_by_slides_csv_and_names(tmp_path):
    with h5py.File(tmp_path / "cobra-slide-.h5", "w") as file:
        file.attrs["encoder"] = "cobra"
        file["S1"], file["S2"], file["case-c"] = np.float32([1, 1]), np.float32([3, 1]), np.float32([7, 7])
    (tmp_path / "slides.csv").write_text("case_id,slide\ncase-a,S1.svs\ncase-a,S2.svs\ncase-b,S9.svs\n")
    source = Source((tmp_path,))
    cases = wsi_slide.read(source, config_of("wsi_slide"))
    assert cases.case_ids == ("case-a", "case-c")
    assert cases.values.tolist() == [[2.0, 1.0], [7.0, 7.0]]
    (problem,) = wsi_slide.unreadable(source, config_of("wsi_slide"))
    assert str(problem) == "S9.svs: no such file; correct slides.csv or copy the slide"


def test_trident_and_stamp_of_one_encoder_are_read_together(tmp_path):
    one = write_trident_embeddings(tmp_path / "one", ["a", "b"], [0, 1], RNG)
    other = write_stamp_embeddings(tmp_path / "other", ["c"], [0], RNG)
    cases = read(one, other, encoder="TITAN")
    assert cases.case_ids == ("a", "b", "c")
    assert cases.values.shape == (3, 24)


def test_mixed_encoders_and_lengths_are_one_error_that_lists_the_files(tmp_path):
    one = write_trident_embeddings(tmp_path / "one", ["a", "b"], [0, 1], RNG)
    other = write_stamp_embeddings(tmp_path / "other", ["c"], [0], RNG, "chief")
    vector(tmp_path / "short", "d", [1.0, 2.0])
    with pytest.raises(ValueError, match="embeddings of 2 encoders") as caught:
        read(one, other, tmp_path / "short")
    assert str(caught.value).splitlines() == [
        "embeddings of 2 encoders: titan (a.h5, b.h5); chief (c.h5); keep the files of the encoder that the study "
        "agreed on",
        "embeddings of 2 lengths: 24 numbers (a.h5, b.h5, c.h5); 2 numbers (d.pt); keep the files of one encoder",
    ]


def test_another_encoder_than_the_studys_is_refused(tmp_path):
    folder = write_stamp_embeddings(tmp_path, ["a", "b"], [0, 1], RNG, "prism")
    with pytest.raises(
        ValueError, match=r"^the study's encoder is 'titan', and the files are of prism \(a.h5, b.h5\); ext"
    ):
        read(folder, encoder="titan")


def test_what_cannot_be_used_is_counted_and_named_and_the_others_go_on(tmp_path):
    folder = write_trident_embeddings(tmp_path, ["a", "b"], [0, 1], RNG)
    with h5py.File(folder / "tiles.h5", "w") as file:
        file["features"] = np.zeros((7, 24))
    (folder / "broken.h5").write_text("no")
    (folder / "c.svs").write_text("a slide")
    (folder / "a.svs").write_text("the slide of an embedding")
    source, config = Source((folder,)), config_of("wsi_slide")
    cases = wsi_slide.read(source, config)
    assert cases.case_ids == ("a", "b")
    assert cases.notes == {"slides left out (no embedding of it is there)": 1, "slides that could not be read": 2}
    assert [problem.file for problem in wsi_slide.unreadable(source, config)] == ["broken.h5", "tiles.h5"]
    files = wsi_slide.plausibility(source, cases, config).files
    assert {file.name: file.state for file in files} == {
        "a.h5": "used",
        "b.h5": "used",
        "broken.h5": "not readable",
        "c.svs": "left out",
        "tiles.h5": "not readable",
    }


def test_a_folder_of_tiles_is_an_error_that_names_the_modality_for_them(tmp_path):
    with h5py.File(tmp_path / "S1.h5", "w") as file:
        file["features"] = np.zeros((7, 24))
    with pytest.raises(
        ValueError, match=r"no slide embedding could be used: S1\.h5: .*or use a modality of kind `wsi_i"
    ):
        read(tmp_path)


def test_another_length_than_the_other_sites_is_refused():
    state = {"mean": np.zeros(5), "inverse_scale": np.ones(5)}
    cases = wsi_slide.Cases(("a",), np.zeros((1, 7), np.float32))
    with pytest.raises(ValueError, match="7 features where the other cases of the study have 5"):
        wsi_slide.prepare(cases, state, config_of("wsi_slide"))


def test_init_tells_embeddings_from_tiles(tmp_path):
    from modalities import wsi_image

    folder = write_trident_embeddings(tmp_path, ["a"], [0], RNG)
    with h5py.File(tmp_path / "tiles.h5", "w") as file:
        file["features"] = np.zeros((7, 24))
    (tmp_path / "slides.csv").write_text("case_id,slide\n")
    told = [
        (wsi_slide.recognised(path), wsi_image.recognised(path))
        for path in (folder / "a.h5", tmp_path / "tiles.h5", tmp_path / "slides.csv")
    ]
    assert told == [("slide embeddings", ""), ("", "features"), ("list", "list")]
