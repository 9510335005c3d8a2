"""Backbones: the built-in one, and what those of timm say where timm is not installed."""

import sys

import numpy as np
import pytest

from modalities.slides.backbones import Backbone, backbone_of
from modalities.slides.config import SlidesConfig
from modalities.slides.nuclei.nuclei import nuclei_in
from tests.slides import glass, with_tissue


@pytest.fixture(scope="module")
def tiles():
    return [with_tissue(glass(128, 128, seed), 0, 0, 128, 100, seed) for seed in range(3)] + [glass(128, 128)]


def test_stain_gives_named_finite_numbers_that_do_not_depend_on_the_batch(tiles):
    backbone = backbone_of(SlidesConfig())
    assert isinstance(backbone, Backbone)
    nuclei = [nuclei_in(tile, 0.5) for tile in tiles]
    found = backbone.encode(tiles, nuclei)
    assert found.shape == (4, len(backbone.names))
    assert found.dtype == np.float32
    assert len(set(backbone.names)) == len(backbone.names) > 50
    assert np.isfinite(found).all()
    assert np.array_equal(backbone.encode(tiles[2:3], nuclei[2:3])[0], found[2])


def test_stain_measures_what_its_names_say(tiles):
    backbone = backbone_of(SlidesConfig())
    found = backbone.encode(tiles, [nuclei_in(tile, 0.5) for tile in tiles])
    tissue, blank = (dict(zip(backbone.names, found[row], strict=True)) for row in (0, 3))
    assert blank["clear_share"] == 1
    assert tissue["clear_share"] == pytest.approx(28 / 128, abs=0.05)
    assert blank["nuclei_mm2"] == 0
    assert tissue["nuclei_mm2"] == pytest.approx(len(nuclei_in(tiles[0], 0.5)) / (0.064**2))
    assert tissue["haematoxylin_std"] > 0.1 > blank["haematoxylin_std"]
    assert sum(tissue[f"nuclei_{name}"] for name in ("small", "medium", "large_pale", "large_dark", "elongated")) == (
        pytest.approx(1)
    )


def test_pretrained_network_without_timm_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)  # as if it was not installed
    with pytest.raises(ValueError, match=r"backbone vgg19: timm cannot be imported .* or use the backbone `stain`"):
        backbone_of(SlidesConfig(backbone="vgg19"))
