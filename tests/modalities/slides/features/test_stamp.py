"""STAMP's files of each version: places in micrometres, and what becomes of them."""

import h5py
import numpy as np
import pytest

from modalities.core.contract import SlideSettings, Source
from modalities.slides.bags import NOMINAL_MPP
from modalities.slides.config import SlidesConfig
from modalities.slides.features.reading import read_features
from modalities.wsi_graph.reading import places_of
from tests.modalities.wsi import config_of, write_stamp
from tests.slides import read_slides

FEATS = np.arange(12, dtype=np.float16).reshape(4, 3)
CORNERS = np.array([[0, 0], [256, 0], [0, 256], [512, 768]])


def write(path, coords=CORNERS, **attributes):
    with h5py.File(path, "w") as file:
        file["feats"] = FEATS
        if coords is not None:
            file["coords"] = coords.astype(np.float32)
        file.attrs.update(attributes)
    return path


V2_0 = {"extractor": "mahmood-uni-0a1b2c3d", "unit": "um", "tile_size": 256.0}
V2_4 = {"stamp_version": "2.4.0", "extractor": "uni2", "unit": "um", "tile_size_um": 256.0, "tile_size_px": 224}


@pytest.mark.parametrize("attributes", [V2_0, {**V2_4, "feat_type": "tile"}])
def test_version_2_tells_micrometres_and_no_pixels_of_the_slide(tmp_path, attributes):
    tiles = read_features(write(tmp_path / "S.h5", **attributes))
    assert tiles.features.dtype == np.float32
    assert np.array_equal(tiles.features, FEATS)  # 0 to 11 are exact in both
    assert np.array_equal(tiles.coords * NOMINAL_MPP, CORNERS)
    assert (tiles.side0 * NOMINAL_MPP, tiles.mpp, tiles.is_nominal) == (256.0, NOMINAL_MPP, True)
    assert tiles.about == {"backbone": attributes["extractor"]}


@pytest.mark.parametrize("attributes", [{"tile_size": 224}, {"extractor": "STAMP-extract-001_01-10-2023_ctranspath"}])
def test_version_1_has_tiles_of_224_pixels_for_256_micrometres(tmp_path, attributes):
    tiles = read_features(write(tmp_path / "S.h5", CORNERS // 256 * 224, **attributes))
    assert np.array_equal(tiles.coords * NOMINAL_MPP, CORNERS)
    assert tiles.side0 * NOMINAL_MPP == 256.0


def test_places_in_a_unit_that_nothing_tells_stay_as_they_are_with_no_size_of_a_pixel(tmp_path):
    tiles = read_features(write(tmp_path / "S.h5"))  # a step of 256 is neither version's
    assert np.array_equal(tiles.coords, CORNERS)
    assert (tiles.side0, tiles.mpp, tiles.at_level0(0.25, 0.5).mpp) == (256, 0.0, 0.0)


def test_altered_copies_of_tiles_are_left_out(tmp_path):
    with h5py.File(write(tmp_path / "S.h5", **V2_4), "a") as file:
        file["augmented"] = np.array([False, False, False, True])
    tiles = read_features(tmp_path / "S.h5")
    assert np.array_equal(tiles.features, FEATS[:3])
    assert len(tiles.coords) == 3


def test_with_the_slides_mpp_places_are_pixels_of_the_slide(tmp_path):
    tiles = read_features(write(tmp_path / "S.h5", **V2_4))
    for said in ((0.25, 0.5), (0.0, 0.25)):  # slides.csv comes first, then default_mpp
        placed = tiles.at_level0(*said)
        assert np.array_equal(placed.coords, CORNERS * 4)  # 256 micrometres are 1024 pixels of .25
        assert (placed.side0, placed.mpp, placed.is_nominal) == (1024, 0.25, False)
    assert tiles.at_level0(0.0, 0.0) == tiles


def test_lengths_on_tissue_are_the_same_with_and_without_the_slides_mpp(tmp_path):
    tiles, config = read_features(write(tmp_path / "S.h5", **V2_4)), config_of("wsi_graph")
    for placed in (tiles, tiles.at_level0(0.5, 0.0)):
        assert places_of(placed, config) == pytest.approx((CORNERS + 128) / 0.25)  # middles, in pixels of .25


def test_a_column_mpp_of_slides_csv_places_them(tmp_path):
    folder = write_stamp(tmp_path / "uni2", ["S1", "S2"], [0, 1], np.random.default_rng(0))
    (folder / "slides.csv").write_text("case_id,slide,mpp\ncase-a,S1,0.5\ncase-b,S2,\n")
    cases, notes = read_slides(Source((folder,), slides=SlideSettings(cache=str(tmp_path / "c"))), SlidesConfig())
    assert [(slides[0].tiles.side0, slides[0].tiles.is_nominal) for slides in cases.values()] == [
        (512, False),
        (25_600, True),
    ]
    assert notes == {}


def test_a_file_without_places_has_features_alone(tmp_path):
    tiles = read_features(write(tmp_path / "S.h5", None, **V2_4))
    assert tiles.coords is None
    assert tiles.at_level0(0.25, 0.5).side0 == 0
    assert len(tiles) == 4


@pytest.mark.parametrize("kind", ["slide", "patient"])
def test_an_embedding_of_a_slide_or_patient_is_no_bag_of_tiles(tmp_path, kind):
    write(tmp_path / "S.h5", None, feat_type=kind, encoder="chief")
    with pytest.raises(
        ValueError, match=rf"^S\.h5: holds the embedding of a {kind}, not tiles; name the folder of the"
    ):
        read_features(tmp_path / "S.h5")


@pytest.mark.parametrize(
    ("coords", "attributes", "problem"),
    [
        (CORNERS[:3], V2_4, "coords has 3 rows for 4 tiles"),
        (np.full((4, 2), np.inf), V2_4, "coords are not all finite numbers"),
        (CORNERS, {**V2_4, "tile_size_um": "wide"}, r"not a feature file that can be read \("),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path, coords, attributes, problem):
    write(tmp_path / "S.h5", coords, **attributes)
    with pytest.raises(ValueError, match=rf"^S\.h5: {problem}"):
        read_features(tmp_path / "S.h5")
