"""Slides to prepare, and what became of them."""

from pathlib import Path

import numpy as np

from modalities.core.contract import SlideSettings, Source
from modalities.slides.cases import prepare_slides
from modalities.slides.config import SlidesConfig
from modalities.slides.features.reading import read_features
from modalities.slides.reading.manifest import listed_files
from tests.slides import glass, with_tissue

REPOSITORY = Path(__file__).resolve().parents[4]
CONFIG = SlidesConfig(n_tiles=3, tile_px=128, tile_um=64.0)


def good(seed, width=1100):
    return with_tissue(glass(701, width, seed), 130, 130, 500, 700, seed)


def source_of(folder, cache, **settings):
    return Source((folder,), slides=SlideSettings(cache=str(cache), **settings))


def run(source, config=CONFIG, **options):
    return {entry.slide: state for entry, state in prepare_slides(listed_files(source), source, config, **options)}


def features_in(cache):
    return {path.stem.rsplit("-", 1)[0]: read_features(path) for path in cache.glob("*/*.h5")}


def same(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(found.features, other[name].features) and np.array_equal(found.coords, other[name].coords)
        for name, found in one.items()
    )
