"""Features of many tiles stay where they lie; which do is told by the features alone."""

import numpy as np
import pytest
import torch

from modalities.slides import stored
from modalities.slides.bags import SlideTiles, TileFeatures, TileFile
from modalities.slides.prepare.features import write_features
from modalities.slides.stored import StoredTiles, bags_of

RNG = np.random.default_rng(3)


def slide(folder, name, n_tiles, n_features=4, shift=0.0, rows=None):
    """A slide with a feature file; `rows` are those of its tiles that the case has."""
    features = (RNG.normal(shift, 1, (n_tiles, n_features))).astype(np.float32)
    tiles = TileFeatures(features, np.zeros((n_tiles, 2), dtype=np.int64))
    write_features(folder / f"{name}.h5", tiles)
    whole = SlideTiles("case", name, tiles, TileFile(str(folder / f"{name}.h5"), n_tiles))
    return whole if rows is None else whole.select(np.array(rows))


def all_of(bag):
    return torch.cat(list(bag.blocks())).float().numpy() if isinstance(bag, StoredTiles) else bag


@pytest.fixture
def cases(tmp_path):
    """Case b has two slides, of one the tiles 6 and 2; case c has one of a table beside its own."""
    a, b, b2, c = (slide(tmp_path, name, n) for name, n in (("a", 5), ("b", 7), ("b2", 3), ("c", 2)))
    table = SlideTiles("case", "c2", TileFeatures(np.ones((1, 4), np.float32), None))
    return [("a", (a,)), ("b", (b.select(np.array([6, 2])), b2)), ("c", (c, table))]


def test_features_up_to_the_limit_stay_in_memory_and_more_stay_where_they_lie(cases, monkeypatch):
    n_bytes = 4 * 4 * (5 + 2 + 3 + 2 + 1)
    expected = {case_id: np.concatenate([slide.tiles.features for slide in slides]) for case_id, slides in cases}
    monkeypatch.setattr(stored, "IN_MEMORY_BYTES", n_bytes)
    bags = bags_of(cases)
    assert {case_id: type(bag) for case_id, bag in bags.items()} == dict.fromkeys("abc", np.ndarray)
    monkeypatch.setattr(stored, "IN_MEMORY_BYTES", n_bytes - 1)
    bags = bags_of(cases)
    assert [type(bag) for bag in bags.values()] == [StoredTiles, StoredTiles, np.ndarray]
    for case_id, bag in bags.items():
        assert bag.shape == expected[case_id].shape
        assert all_of(bag) == pytest.approx(expected[case_id], rel=2**-11), case_id


def test_features_that_halves_would_blur_stay_floats(tmp_path, monkeypatch):
    """Between 1024 and 2048 halves lie 1 apart, which rounds by .29, of a deviation of 1; past 65504 there is none."""
    monkeypatch.setattr(stored, "IN_MEMORY_BYTES", 0)
    cases = [(name, (slide(tmp_path, name, 40, shift=shift),)) for name, shift in (("a", 9), ("b", 1500), ("c", 1e5))]
    bags = bags_of(cases)
    assert [bag.dtype for bag in bags.values()] == [torch.float16, torch.float32, torch.float32]
    for case_id in ("b", "c"):
        assert np.array_equal(all_of(bags[case_id]), dict(cases)[case_id][0].tiles.features)


def test_blocks_are_as_small_as_they_should_be(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(stored, "rows_at_once", lambda n_columns: 3)
    (bag,) = bags_of([("a", (slide(tmp_path, "a", 7), slide(tmp_path, "b", 2)))]).values()
    assert [len(block) for block in bag.blocks()] == [3, 3, 1, 2]


@pytest.mark.parametrize(("n_tiles", "n_features"), [(8, 4), (7, 5)])
def test_a_file_that_was_replaced_is_refused(tmp_path, monkeypatch, n_tiles, n_features):
    monkeypatch.setattr(stored, "IN_MEMORY_BYTES", 0)
    (bag,) = bags_of([("a", (slide(tmp_path, "a", 7),))]).values()
    slide(tmp_path, "a", n_tiles, n_features)
    told = rf"a\.h5: {n_tiles} tiles of {n_features} features, where the study first read 7 of 4; put the file"
    with pytest.raises(ValueError, match=told):
        list(bag.blocks())
    (tmp_path / "a.h5").unlink()
    with pytest.raises(ValueError, match=r"a\.h5: the feature file is gone since the study first read it; put it back"):
        list(bag.blocks())
