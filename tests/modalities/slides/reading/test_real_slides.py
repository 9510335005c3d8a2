"""Real scans and overviews, where they are at hand."""

import cv2
import numpy as np
import pytest

from modalities.core.contract import SlideSettings, Source
from modalities.slides.cases import prepare_slides
from modalities.slides.config import SlidesConfig
from modalities.slides.reading.manifest import listed_files
from modalities.slides.reading.reading import open_slide
from modalities.slides.tissue.tissue import tissue_mask
from tests.slides import read_slides, write_slide

CONFIG = SlidesConfig(n_tiles=5)
OVERVIEWS = {"A04P": (0.2, 0.35), "A04Q": (0.2, 0.3), "A0CK": (0.07, 0.13), "A0CR": (0.37, 0.5), "A0CV": (0.48, 0.6)}
"""Share of tissue, as it looks: A04P and A0CR hold much fat, which counts as none; A0CK has a wide empty rim."""


@pytest.fixture(scope="module")
def slides(tcga_data):
    folder = tcga_data / "slides"
    if not folder.is_dir():
        pytest.skip(f"no real slides at {folder}")
    return folder


def states_of(source):
    return {entry.slide: state for entry, state in prepare_slides(listed_files(source), source, CONFIG)}


def test_good_slides_are_prepared_and_broken_ones_say_what_is_wrong(slides, tmp_path):
    states = states_of(Source((slides,), slides=SlideSettings(cache=str(tmp_path))))
    said = {name: (state.state, state.reason) for name, state in states.items()}
    assert said["cmu-1-small-region"] == ("done", "")
    assert said["small"] == ("excluded", "too little tissue: 0 tiles of 128 micrometres (fewest: 1)")
    for name, reason in (
        ("tcga-cr-7395-01a-01-ts1", "no microns-per-pixel in the slide's metadata; set `slides.default_mpp`"),
        ("boxes", "it says 352.8, which no scanner has"),
        ("broken", "broken.svs: not a slide that can be read"),
        ("unopenable", "unopenable.tiff: not a slide that can be read"),
        ("unreadable", "unreadable.svs: the slide is damaged: its pixels cannot be read"),
    ):
        assert said[name][0] == "failed"
        assert reason in said[name][1]


def test_slide_without_resolution_is_prepared_once_the_site_says_it(slides, tmp_path):
    settings = SlideSettings(default_mpp=0.5, cache=str(tmp_path))
    path = slides / "tcga-cr-7395-01a-01-ts1.svs"
    cases, notes = read_slides(Source((path,), slides=settings), CONFIG)
    ((slide,),) = cases.values()
    assert list(cases) == ["TCGA-CR-7395"]
    assert notes == {}
    assert slide.tiles.features.shape == (5, len(slide.tiles.names))
    assert slide.tiles.composition.sum(axis=1).min() > 20, "cellular tissue: nuclei in every tile of 128 micrometres"


@pytest.mark.parametrize("case", OVERVIEWS)
def test_overview_as_a_pyramid_gets_the_recipes_mask(slides, tmp_path, case):
    (path,) = slides.glob(f"TCGA-A2-{case}*.png")
    pixels = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA).astype(np.float32)
    share = pixels[..., 3:] / 255
    write_slide(tmp_path / "a.svs", np.rint(pixels[..., :3] * share + 255 * (1 - share)).astype(np.uint8), mpp=8.0)
    with open_slide(tmp_path / "a.svs") as slide:
        thumbnail = slide.thumbnail(1000)
    mask, pen = tissue_mask(thumbnail, SlidesConfig())
    saturation = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2HSV)[..., 1]
    recipe = cv2.medianBlur(saturation, 7) > 20
    low, high = OVERVIEWS[case]
    assert low < mask.mean() < high
    assert (mask & recipe).sum() / (mask | recipe).sum() >= (0.999 if case != "A0CK" else 0.98)
    assert pen.any() == (case == "A0CK"), "only A0CK has an inked margin, and the ink is left out"
