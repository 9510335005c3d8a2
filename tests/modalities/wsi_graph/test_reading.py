import dataclasses
import tracemalloc

import h5py
import numpy as np
import pytest
import torch

from modalities import wsi_graph, wsi_image
from modalities.core.contract import SlideSettings, Source
from modalities.wsi_graph import reading
from modalities.wsi_graph.reading import graph_of
from tests.modalities.wsi import config_of, grid, tiles_of, write_trident


def test_lengths_are_pixels_of_the_reference_whatever_the_scanner():
    """The same tissue at 20x: half the pixels, the same graph."""
    rng = np.random.default_rng(1)
    fine = tiles_of(60, rng, mpp=0.25)
    assert fine.coords is not None
    coarse = dataclasses.replace(fine, coords=fine.coords // 2, side0=256, mpp=0.5)
    config = config_of("wsi_graph")
    one, other = graph_of(fine, config), graph_of(coarse, config)
    np.testing.assert_allclose(one.nodes, other.nodes, rtol=1e-6)
    np.testing.assert_array_equal(one.edges, other.edges)


def test_a_large_graph_is_kept_and_found_again_for_the_same_tiles_and_settings_only(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_KEPT_FROM", 50)
    rng = np.random.default_rng(1)
    config, tiles, small = config_of("wsi_graph"), tiles_of(60, rng), tiles_of(49, rng)
    first = graph_of(tiles, config, tmp_path)
    graph_of(small, config, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(reading, "build_graph", None)  # any attempt to build would fail
    again = graph_of(tiles, config, tmp_path)
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    for other in (dataclasses.replace(config, edge_px=900.0), config_of("wsi_graph", clustering={"cut": 0.5})):
        with pytest.raises(TypeError, match="not callable"):
            graph_of(tiles, other, tmp_path)


def test_a_damaged_kept_graph_is_built_again(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_KEPT_FROM", 50)
    config, tiles = config_of("wsi_graph"), tiles_of(60, np.random.default_rng(1))
    first = graph_of(tiles, config, tmp_path)
    kept = next(tmp_path.iterdir())
    kept.write_bytes(kept.read_bytes()[:-9])
    again = graph_of(tiles, config, tmp_path)
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


def test_feature_files_without_nuclei_are_refused_with_what_to_do(tmp_path):
    folder = write_trident(tmp_path / "features", ["case-a", "case-b"], [0, 1], np.random.default_rng(0))
    source = Source((folder,), slides=SlideSettings(cache=str(tmp_path / "cache")))
    with pytest.raises(ValueError, match=r"no nuclear composition for case-a, case-b; .*`inputs: features`"):
        wsi_graph.read(source, config_of("wsi_graph"))


def test_both_inputs_stand_side_by_side():
    tiles = tiles_of(30, np.random.default_rng(1), n_features=7)
    for inputs, width in (("composition", 5), ("features", 7), ("both", 12)):
        assert graph_of(tiles, config_of("wsi_graph", inputs=inputs, coordinates=False)).nodes.shape[1] == width


def test_files_without_places_are_refused_by_name_and_train_bags_all_the_same(tmp_path):
    folder = tmp_path / "pt_files"
    folder.mkdir()
    for case_id in ("case-a", "case-b"):
        torch.save(torch.zeros(5, 7), folder / f"{case_id}.pt")
    source = Source((folder,), slides=SlideSettings(cache=str(tmp_path / "cache")))
    with pytest.raises(
        ValueError, match=r"no places of tiles for case-a, case-b, and a graph needs them; .*`wsi_image`"
    ):
        wsi_graph.read(source, config_of("wsi_graph", inputs="features"))
    assert wsi_image.read(source, config_of("wsi_image")).case_ids == ("case-a", "case-b")


def test_the_tiles_of_one_case_at_a_time_lie_in_memory(tmp_path):
    """Of twelve cases no more than of two, but for their graphs, which are a few nodes each here."""
    n_tiles, n_features, peaks = 301, 2003, []
    config = config_of("wsi_graph", inputs="features", clustering={"gamma": 1e-12, "composition_gamma": 1e-12})
    for n_cases in (1, 2, 12):  # the first imports what it needs
        folder = tmp_path / f"of_{n_cases}"
        folder.mkdir()
        for number in range(n_cases):
            with h5py.File(folder / f"case-{number}.h5", "w") as file:
                file["features"] = np.full((n_tiles, n_features), number, np.float32)
                file["coords"] = grid(n_tiles)
        source = Source((folder,), slides=SlideSettings(cache=str(tmp_path / "cache")))
        tracemalloc.start()
        cases = wsi_graph.read(source, config)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert [set(graph.nodes[:, 0]) for graph in cases.values] == [{float(id_[5:])} for id_ in cases.case_ids]
    assert peaks[2] - peaks[1] < 4 * n_tiles * n_features
