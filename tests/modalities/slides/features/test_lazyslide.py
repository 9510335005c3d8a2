"""LazySlide's stores: which tiles and features they hold, and what is refused."""

import os

import numpy as np
import pytest

from modalities.slides.features.embeddings import read_embeddings
from modalities.slides.features.reading import read_features
from tests.modalities.lazyslide import write_array, write_group, write_store

X = np.arange(12, dtype=np.float32).reshape(4, 3)
CORNERS = np.array([[0, 0], [512, 0], [0, 512], [1024, 512]])


def test_tiles_have_places_side_and_micrometres_of_the_slide(tmp_path):
    tiles = read_features(write_store(tmp_path / "S1.zarr", {"uni_tiles": X}, CORNERS))
    assert np.array_equal(tiles.features, X)
    assert tiles.coords is not None
    assert np.array_equal(tiles.coords, CORNERS)
    assert (tiles.side0, tiles.mpp, tiles.size0, tiles.is_nominal) == (512, 0.25, (12_000, 9000), False)
    assert tiles.about == {"backbone": "uni"}


def test_places_are_those_of_the_tables_tile_ids_whatever_the_order(tmp_path):
    store = write_store(tmp_path / "S1.zarr", {"uni_tiles": X[:3]}, CORNERS, ids=[3, 0, 2], mpp=None)
    tiles = read_features(store)
    assert tiles.coords is not None
    assert tiles.coords.tolist() == [[1024, 512], [0, 0], [0, 512]]
    assert tiles.mpp == 0.0


def test_of_several_tables_one_has_to_be_named(tmp_path):
    store = write_store(tmp_path / "S1.zarr", {"uni_tiles": X, "resnet50_tiles": X[:, :2]}, CORNERS)
    with pytest.raises(
        ValueError, match=r"^S1\.zarr: holds 2 tables of features: resnet50_tiles, uni_tiles; name the t"
    ):
        read_features(store)
    assert read_features(store / "tables" / "resnet50_tiles").features.shape == (4, 2)
    with pytest.raises(ValueError, match=r"^S1\.zarr: holds no table uni2; it has resnet50_tiles, uni_tiles; name the"):
        read_features(store / "tables" / "uni2")


def test_tables_without_features_and_stores_without_places_are_no_obstacle(tmp_path):
    store = write_store(tmp_path / "S1.zarr", {"uni_tiles": X}, CORNERS)
    write_group(store / "tables" / "tiles_graph" / "obsp")
    (store / "shapes" / "tiles" / "shapes.parquet").unlink()
    with pytest.raises(
        ValueError, match=r"^S1\.zarr: shapes/tiles/shapes\.parquet is not there; write the tiles again"
    ):
        read_features(store)
    for path in ("shapes/tiles/zarr.json", "shapes/tiles", "shapes/zarr.json", "shapes"):
        (store / path).rmdir() if (store / path).is_dir() else (store / path).unlink()
    assert read_features(store).coords is None


def test_the_slides_embedding_is_that_of_feature_aggregation(tmp_path):
    store = write_store(tmp_path / "S1.zarr", {"uni_tiles": X}, CORNERS)
    with pytest.raises(ValueError, match=r"^S1\.zarr: holds no embedding of the slide; make one with LazySlide's"):
        read_embeddings(store)
    write_array(store / "tables/uni_tiles/uns/agg_ops/agg_slide/features", X[:1])
    (held,) = read_embeddings(store)
    assert (held.slide, held.values.tolist(), held.encoder) == ("S1", [0.0, 1.0, 2.0], "")


def test_no_link_out_of_the_store_is_followed(tmp_path):
    other = write_store(tmp_path / "other.zarr", {"uni_tiles": X}, CORNERS)
    for linked in ("tables/uni_tiles/X/c/0/0", "tables/uni_tiles/X", "shapes/tiles/shapes.parquet"):
        store = write_store(tmp_path / f"{linked.count('/')}{linked[-1]}.zarr", {"uni_tiles": X}, CORNERS)
        os.rename(store / linked, store / "aside")  # noqa: PTH104
        (store / linked).symlink_to(other / linked)
        with pytest.raises(ValueError, match=r"\.zarr: .* is a link to somewhere else, which is not followed"):
            read_features(store)


def test_a_region_that_leads_out_of_the_store_is_no_place(tmp_path):
    store = write_store(tmp_path / "S1.zarr", {"uni_tiles": X}, CORNERS)
    write_store(tmp_path / "other.zarr", {"uni_tiles": X}, CORNERS)
    write_group(store / "tables" / "uni_tiles", region="../../other.zarr/shapes/tiles")
    assert read_features(store).coords is None


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda store: (store / "tables/uni_tiles/X/c/0/0").write_bytes(b"no"), "not a feature file that can be read"),
        (lambda store: (store / "zarr.json").write_text("{"), "not a feature file that can be read"),
        (
            lambda store: (store / "shapes/tiles/shapes.parquet").write_bytes(b"PAR1"),
            "not a feature file that can be r",
        ),
        (lambda store: (store / "tables/uni_tiles/X/zarr.json").unlink(), "holds no table of features; extract them"),
    ],
)
def test_a_damaged_store_is_named(tmp_path, damage, problem):
    store = write_store(tmp_path / "S1.zarr", {"uni_tiles": X}, CORNERS)
    damage(store)
    with pytest.raises(ValueError, match=rf"^S1\.zarr: {problem}"):
        read_features(store)


def test_tiles_that_the_shapes_lack_are_told(tmp_path):
    store = write_store(tmp_path / "S1.zarr", {"uni_tiles": X}, CORNERS, ids=[0, 1, 2, 9])
    with pytest.raises(
        ValueError, match=r"shapes\.parquet lacks 1 of 4 tiles, such as tile_id 9; write the tiles again"
    ):
        read_features(store)
