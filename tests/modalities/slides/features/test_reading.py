"""Feature files: ours in TRIDENT's layout, TRIDENT's and CLAM's as they are."""

import h5py
import numpy as np
import pytest
import torch

from modalities.core.contract import Source
from modalities.slides.bags import TileFeatures
from modalities.slides.config import SlidesConfig
from modalities.slides.features.reading import read_features
from modalities.slides.nuclei.composition import read_composition, with_composition
from modalities.slides.plausible import plausibility
from tests.slides import read_slides

RNG = np.random.default_rng(0)


def values(rows, columns):
    return RNG.normal(size=(rows, columns)).astype(np.float32)


def write_trident(path, features, coords, leading=False):
    """As TRIDENT 0.2 leaves it: attributes of the extraction, a path of the site among them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["features"] = features[None] if leading else features
        dataset = file.create_dataset("coords", data=coords)
        dataset.attrs.update(
            patch_size=256,
            patch_size_level0=512,
            level0_magnification=40,
            target_magnification=20,
            overlap=0,
            level0_width=40_000,
            level0_height=30_000,
            name="S1",
            savetodir="/home/someone/features",
        )
    return path


def write_clam(path, features, coords):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["features"] = features
        dataset = file.create_dataset("coords", data=coords)
        dataset.attrs.update(
            patch_level=1,
            patch_size=256,
            downsample=(4.0, 4.0),
            level_dim=(10_000, 7_500),
            name="S2",
            save_path="/data",
        )
    return path


@pytest.mark.parametrize("leading", [False, True])
def test_tridents_file_is_read_without_the_path_in_it(tmp_path, leading):
    features, coords = values(7, 5), np.arange(14).reshape(7, 2) * 512
    found = read_features(write_trident(tmp_path / "S1.h5", features, coords, leading))
    assert np.array_equal(found.features, features)
    assert found.coords is not None
    assert np.array_equal(found.coords, coords)
    assert (found.side0, found.mpp, found.size0) == (512, 0.25, (40_000, 30_000))
    assert "someone" not in repr(found)


def test_the_side_of_clams_tiles_shows_in_their_places(tmp_path):
    """CLAM writes no attribute beside features; each piece of tissue has a grid of its own, here 3 pixels apart."""
    grid = np.stack(np.meshgrid(np.arange(3), np.arange(4), indexing="ij"), axis=-1).reshape(-1, 2) * 512
    coords = np.concatenate([grid + np.array([1000, 2000]), grid + np.array([1003, 9001])])
    with h5py.File(tmp_path / "S2.h5", "w") as file:
        file["features"], file["coords"] = values(24, 5), coords.astype(np.int32)
    assert read_features(tmp_path / "S2.h5").side0 == 512
    torch.save({"features": torch.ones(24, 5), "coords": torch.from_numpy(coords)}, tmp_path / "S3.pt")
    assert read_features(tmp_path / "S3.pt").side0 == 512
    with h5py.File(tmp_path / "S4.h5", "w") as file:
        file["features"], file["coords"] = values(1, 5), coords[:1]
    assert read_features(tmp_path / "S4.h5").side0 == 0, "a tile alone tells nothing"


def test_features_of_clams_tiles_say_how_they_were_cut(tmp_path):
    features, coords = values(6, 4), np.arange(12).reshape(6, 2) * 1024
    found = read_features(write_clam(tmp_path / "S2.h5", features, coords))
    assert np.array_equal(found.features, features)
    assert (found.side0, found.mpp) == (1024, 0.0)
    torch.save(torch.from_numpy(features), tmp_path / "S2.pt")
    alone = read_features(tmp_path / "S2.pt")
    assert np.array_equal(alone.features, features)
    assert alone.coords is None


def test_files_that_are_no_features_say_why(tmp_path):
    (tmp_path / "text.h5").write_text("no")
    (tmp_path / "cut.h5").write_bytes(
        write_clam(tmp_path / "whole.h5", values(99, 9), values(99, 2)).read_bytes()[:900]
    )
    with h5py.File(tmp_path / "places.h5", "w") as file:
        file["coords"] = np.zeros((3, 2), dtype=int)
    with h5py.File(tmp_path / "short.h5", "w") as file:
        file["features"], file["coords"] = values(3, 2), np.zeros((4, 2), dtype=int)
    with h5py.File(tmp_path / "nan.h5", "w") as file:
        file["features"] = np.full((2, 2), np.nan)
    for name, problem in (
        (
            "text",
            r"not a feature file that can be read \(neither a file of HDF5 nor of torch\); extract .*TRIDENT.*STAMP",
        ),
        ("cut", r"not a feature file that can be read \("),
        ("places", "holds coords, but no `features`: places of tiles only"),
        ("short", "coords has 4 rows for 3 tiles; extract the features again"),
        ("nan", "features are not all finite numbers"),
    ):
        with pytest.raises(ValueError, match=rf"{name}\.h5: {problem}"):
            read_features(tmp_path / f"{name}.h5")


def test_feature_files_of_a_site_are_its_cases_with_no_slide_present(tmp_path):
    folder = tmp_path / "features"
    write_trident(folder / "TCGA-A2-A04P-01Z-00-DX1.h5", values(7, 4), np.arange(14).reshape(7, 2))
    write_trident(folder / "TCGA-A2-A04P-01Z-00-DX2.h5", values(60, 4), np.arange(120).reshape(60, 2))
    write_clam(folder / "p2.h5", values(5, 4), np.arange(10).reshape(5, 2))
    (folder / "p3.h5").write_text("damaged")
    cases, notes = read_slides(Source((folder,)), SlidesConfig(n_tiles=50))
    assert {case_id: [len(slide.tiles) for slide in slides] for case_id, slides in cases.items()} == {
        "TCGA-A2-A04P": [7, 60],
        "p2": [5],
    }
    assert notes == {"slides that could not be read": 1}


def test_composition_table_stands_alone_or_beside_features(tmp_path):
    coords = np.array([[0, 0], [512, 0], [512, 512]])
    write_trident(tmp_path / "features" / "p1.h5", values(3, 4), coords)
    rows = [f"p1.svs,{x},{y},{n},{n + 1}" for n, (x, y) in enumerate(coords[::-1])]
    table = tmp_path / "nuclei.csv"
    table.write_text("\n".join(["slide,x,y,tumour,stroma", *rows, "p2,0,0,7,8", "p2,256,0,9,1"]) + "\n")
    cases, notes = read_slides(Source((tmp_path / "features", table)), SlidesConfig())
    (one,), (two,) = cases["p1"], cases["p2"]
    assert one.tiles.composition is not None
    assert two.tiles.composition is not None
    assert one.tiles.composition.tolist() == [[2, 3], [1, 2], [0, 1]]
    assert one.tiles.features.shape == (3, 4)
    assert two.tiles.features.tolist() == two.tiles.composition.tolist() == [[7, 8], [9, 1]]
    assert (two.tiles.classes, two.tiles.side0) == (("tumour", "stroma"), 256)
    assert notes == {}


def test_composition_for_other_tiles_is_an_error(tmp_path):
    table = tmp_path / "nuclei.csv"
    table.write_text("slide,x,y,tumour\np1,0,0,3\n")
    tiles = TileFeatures(values(2, 4), np.array([[0, 0], [5, 5]]))
    with pytest.raises(ValueError, match=r"lacks 1 of 2 tiles, such as x, y = \(5, 5\); make it for the same tiles"):
        with_composition(tiles, read_composition(table, Source((table,)))["p1"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x,y,tumour\n0,0,1\n", "no column slide"),
        ("slide,x,y\np,0,0\n", "no column of counts"),
        ("slide,x,y,tumour\np,0,0,-1\n", "counts not be negative"),
        ("slide,x,y,tumour\np,0,0,many\n", "1 cells are no finite number"),
    ],
)
def test_composition_table_that_is_wrong_says_what(tmp_path, text, problem):
    table = tmp_path / "nuclei.csv"
    table.write_text(text)
    with pytest.raises(ValueError, match=rf"nuclei\.csv: .*{problem}"):
        read_composition(table, Source((table,)))


@pytest.mark.parametrize("shape", [(0, 5), (1, 0, 5), (0,)])
def test_a_slide_on_which_trident_found_no_tile_is_left_out_not_unreadable(tmp_path, shape):
    folder = tmp_path / "slides"
    write_trident(folder / "S1.h5", values(3, 5), np.arange(6).reshape(3, 2) * 512)
    write_trident(folder / "S2.h5", np.zeros(shape, np.float32), np.zeros((0, 2), np.int64))
    source = Source((folder,))
    cases, notes = read_slides(source, SlidesConfig())
    assert (list(cases), notes) == (["S1"], {"slides left out (no tile)": 1})
    assert [(file.name, file.state, file.reason) for file in plausibility(source, SlidesConfig()).files] == [
        ("S1.h5", "used", ""),
        ("S2.h5", "left out", "S2.h5: its tool found no tile on the slide"),
    ]


def test_features_without_a_row_for_their_places_are_damaged(tmp_path):
    path = write_trident(tmp_path / "S1.h5", np.zeros((0, 5), np.float32), np.zeros((4, 2), np.int64))
    with pytest.raises(ValueError, match="coords has 4 rows for 0 tiles"):
        read_features(path)
