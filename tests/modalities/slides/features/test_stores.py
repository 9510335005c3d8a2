"""Zarr stores in a slide folder: each is one file of features, whatever lies in it."""

import numpy as np
import pytest

from client.exports.found import exports_in
from modalities.core.contract import SlideSettings, Source
from modalities.core.settings.federation import federation_from
from modalities.slides.config import SlidesConfig
from modalities.slides.features.stores import files_below, is_in_store, store_of
from modalities.slides.reading.manifest import listed_files
from tests.modalities.lazyslide import write_group, write_store
from tests.slides import read_slides

X = np.arange(12, dtype=np.float32).reshape(4, 3)
CORNERS = np.array([[0, 0], [512, 0], [0, 512], [1024, 512]])


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "slides"
    for name in ("S1", "S2"):
        write_store(folder / "more" / f"{name}.zarr", {"uni_tiles": X, "plip_tiles": X[:, :2]}, CORNERS)
    return folder


def test_a_store_is_one_file_and_links_to_folders_stay_closed(folder):
    (folder / "notes.txt").write_text("no")
    (folder / "link").symlink_to(folder / "more")
    (folder / "nowhere.h5").symlink_to(folder / "gone.h5")
    names = [path.relative_to(folder).as_posix() for path in sorted(files_below(folder))]
    assert names == ["more/S1.zarr", "more/S2.zarr", "notes.txt", "nowhere.h5"]


def test_a_path_into_a_store_leads_to_the_store(folder):
    store = folder / "more" / "S1.zarr"
    assert [store_of(path) for path in (store, store / "tables" / "uni_tiles", folder)] == [store, store, folder]
    assert [is_in_store(path) for path in (store, store / "tables" / "gone", store / "zarr.json", folder)] == [
        True,
        True,
        False,
        False,
    ]


def test_a_site_names_the_table_of_its_stores_and_their_cases(folder, tmp_path):
    (folder / "slides.csv").write_text("case_id,slide\ncase-a,S1\ncase-b,more/S2.zarr\n")
    slides = SlideSettings(cache=str(tmp_path / "cache"))
    source = Source((folder,), columns={"features": "plip_tiles"}, slides=slides)
    cases, notes = read_slides(source, SlidesConfig())
    assert {case_id: own[0].tiles.features.tolist() for case_id, own in cases.items()} == {
        "case-a": X[:, :2].tolist(),
        "case-b": X[:, :2].tolist(),
    }
    assert notes == {}
    with pytest.raises(
        ValueError, match=r"S1\.zarr: holds 2 tables of features: plip_tiles, uni_tiles; name the table"
    ):
        read_slides(Source((folder,), slides=slides), SlidesConfig())


def test_a_store_without_tables_beside_its_slide_leaves_the_slide_to_be_prepared(folder):
    for name in ("S3", "S4"):
        write_group(folder / f"{name}.zarr" / "shapes")
    (folder / "S3.svs").write_text("a slide")
    (folder / "S1.svs").write_text("the slide of a store with features")
    assert [entry.path.name for entry in listed_files(Source((folder,)))] == ["S1.zarr", "S2.zarr", "S3.svs", "S4.zarr"]


def test_init_shows_a_store_as_one_export_for_both_branches(folder):
    kinds = federation_from(
        {"modalities": {"wsi_image": {}, "wsi_graph": {}, "wsi_slide": {}, "cnv": {}, "clinical": {}}}
    )
    found = exports_in([folder], kinds.modalities)
    assert [(export.path.name, export.format, sorted(export.modalities)) for export in found] == [
        ("S1.zarr", "features", ["wsi_graph", "wsi_image"]),
        ("S2.zarr", "features", ["wsi_graph", "wsi_image"]),
    ]
