"""Feature files as they are written: TRIDENT's layout, with more arrays."""

import h5py
import numpy as np

from modalities.slides.bags import TileFeatures
from modalities.slides.features.reading import read_features
from modalities.slides.prepare.features import write_features

RNG = np.random.default_rng(0)


def values(rows, columns):
    return RNG.normal(size=(rows, columns)).astype(np.float32)


def test_what_is_written_is_read_and_has_tridents_attributes(tmp_path):
    found = TileFeatures(
        values(5, 3),
        np.arange(10).reshape(5, 2),
        512,
        0.25,
        ("a", "b", "c"),
        np.linspace(0, 1, 5, dtype=np.float32),
        values(5, 2),
        ("small", "large"),
        (4000, 3000),
        {"backbone": "stain", "tile_px": "256"},
    )
    write_features(tmp_path / "S.h5", found)
    again = read_features(tmp_path / "S.h5")
    for name in ("features", "coords", "tissue", "composition"):
        assert np.array_equal(getattr(again, name), getattr(found, name))
    for name in ("side0", "mpp", "names", "classes", "size0", "about"):
        assert getattr(again, name) == getattr(found, name)
    with h5py.File(tmp_path / "S.h5") as file:
        cut = dict(file["coords"].attrs)
    assert (cut["patch_size"], cut["patch_size_level0"], cut["level0_width"]) == (256, 512, 4000)
    assert (cut["level0_magnification"], cut["target_magnification"], cut["overlap"]) == (40, 20, 0)
    write_features(tmp_path / "again.h5", found)
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "S.h5").read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
