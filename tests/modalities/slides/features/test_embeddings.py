"""Embeddings of whole slides, as each tool writes them."""

import h5py
import numpy as np
import pytest
import torch

from modalities.slides.features.embeddings import holds_embeddings, read_embeddings
from modalities.slides.features.reading import read_features

VECTOR = np.arange(5, dtype=np.float32) / 4


def write(path, arrays, **attributes):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
        file.attrs.update(attributes)
    return path


def said(path):
    return [(held.slide, held.values.tolist(), held.encoder) for held in read_embeddings(path)]


def test_trident_names_the_encoder_by_its_folder_alone(tmp_path):
    arrays = {"features": VECTOR, "coords": np.zeros((13, 2), int)}
    assert said(write(tmp_path / "slide_features_titan" / "S1.h5", arrays)) == [("S1", VECTOR.tolist(), "titan")]
    assert said(write(tmp_path / "mine" / "S1.h5", arrays)) == [("S1", VECTOR.tolist(), "")]


@pytest.mark.parametrize("kind", ["slide", "patient"])
@pytest.mark.parametrize("vector", [VECTOR, VECTOR[None]])
def test_stamp_names_it_in_the_file(tmp_path, vector, kind):
    path = write(tmp_path / "S1.h5", {"feats": vector.astype(np.float16)}, encoder="chief", feat_type=kind)
    assert said(path) == [("S1", VECTOR.tolist(), "chief")]  # quarters are exact in half precision


def test_stamp_2_0_has_one_file_for_all_slides(tmp_path):
    path = write(tmp_path / "cobra-slide-.h5", {"S1": VECTOR, "S2": VECTOR * 2}, encoder="cobra", version="2.0.0")
    assert said(path) == [("S1", VECTOR.tolist(), "cobra"), ("S2", (VECTOR * 2).tolist(), "cobra")]


@pytest.mark.parametrize("held", [torch.from_numpy(VECTOR), torch.from_numpy(VECTOR)[None].bfloat16()])
def test_a_pt_file_is_its_vector(tmp_path, held):
    torch.save(held, tmp_path / "S1.pt")
    assert said(tmp_path / "S1.pt") == [("S1", VECTOR.tolist(), "")]
    torch.save({"features": held}, tmp_path / "S1.pt")
    assert said(tmp_path / "S1.pt") == [("S1", VECTOR.tolist(), "")]


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"features": np.zeros((3, 5))}, "holds 3 x 5 numbers: a row a tile, .*; name the folder of the slide emb"),
        ({"feats": np.zeros((1, 3, 5))}, "holds 1 x 3 x 5 numbers: a row a tile"),
        ({"features": np.zeros(0)}, "S1 has the shape 0"),
        ({"features": np.float32(1)}, "S1 has the shape of one number"),
        ({"features": np.array([1, np.nan])}, "S1: not all are finite numbers"),
        ({"features": np.array([1e300])}, "S1: not all are finite numbers"),
        ({"features": np.array(["a"], dtype="S1")}, r"features holds \|S1, not numbers"),
        ({"vector": VECTOR}, "holds vector, which is no layout of slide embeddings; extract .*TRIDENT.*STAMP"),
        ({}, "holds nothing, which is no layout"),
    ],
)
def test_what_is_no_embedding_is_told_with_what_to_do(tmp_path, arrays, problem):
    path = write(tmp_path / "S1.h5", arrays)
    with pytest.raises(ValueError, match=rf"^S1\.h5: {problem}"):
        read_embeddings(path)
    assert not holds_embeddings(path)


def test_links_and_damaged_files_are_refused(tmp_path):
    other = write(tmp_path / "other.h5", {"features": VECTOR})
    with h5py.File(tmp_path / "S1.h5", "w") as file:
        file["features"] = h5py.ExternalLink(str(other), "features")
    (tmp_path / "S2.h5").write_bytes(other.read_bytes()[:700])
    (tmp_path / "S3.pt").write_text("no")
    for name, problem in (
        ("S1.h5", "features is a link to somewhere else, which is not followed"),
        ("S2.h5", r"not a file of slide embeddings that can be read \("),
        ("S3.pt", "neither a file of HDF5 nor of torch; extract the embeddings again; known are"),
    ):
        with pytest.raises(ValueError, match=rf"^{name}: {problem}"):
            read_embeddings(tmp_path / name)


def test_tiles_and_embeddings_are_told_apart(tmp_path):
    tiles = write(tmp_path / "S1.h5", {"features": np.zeros((3, 5)), "coords": np.zeros((3, 2), int)})
    vector = write(tmp_path / "S2.h5", {"features": VECTOR, "coords": np.zeros((3, 2), int)})
    assert [holds_embeddings(path) for path in (tiles, vector, tmp_path / "absent.h5")] == [False, True, False]
    with pytest.raises(ValueError, match=r"S2\.h5: features are one vector \(5 numbers\).*kind `wsi_slide`"):
        read_features(vector)
