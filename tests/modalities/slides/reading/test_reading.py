"""Reading slides: resolution, background, levels."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

import modalities.slides
from modalities.slides.reading.reading import Slide, open_slide
from tests.slides import glass, with_tissue, write_slide


@pytest.fixture(scope="module")
def pixels():
    return with_tissue(glass(1501, 2001), 200, 300, 900, 1300)


@pytest.fixture(scope="module")
def path(pixels, tmp_path_factory):
    return write_slide(tmp_path_factory.mktemp("slides") / "odd.svs", pixels, mpp=0.25, levels=(1, 2))


def test_resolution_is_the_files_unless_the_manifest_says_otherwise(path):
    with open_slide(path, default_mpp=0.9) as slide:
        assert (slide.width, slide.height, slide.mpp) == (2001, 1501, 0.25)
    with open_slide(path, mpp=0.3, default_mpp=0.9) as slide:
        assert slide.mpp == 0.3


def test_objective_power_serves_where_no_resolution_is_said(tmp_path):
    with open_slide(write_slide(tmp_path / "a.svs", glass(300, 300), mpp=None, power=20)) as slide:
        assert slide.mpp == 0.5


def test_no_resolution_is_an_error_that_names_the_setting(tmp_path):
    path = write_slide(tmp_path / "a.svs", glass(300, 300), mpp=None)
    with pytest.raises(ValueError, match=r"a\.svs: no microns-per-pixel .* set `slides\.default_mpp` in site\.yaml"):
        open_slide(path)
    with open_slide(path, default_mpp=0.5) as slide:
        assert slide.mpp == 0.5


def test_screen_resolution_of_a_plain_tiff_is_not_believed(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tiff") as file:
        file.write(glass(300, 300), tile=(256, 256), photometric="rgb", resolution=(72, 72), resolutionunit="INCH")
    with pytest.raises(ValueError, match=r"it says 352\.8, which no scanner has"):
        open_slide(tmp_path / "a.tiff")


def test_file_that_is_no_slide_is_a_plain_error(tmp_path):
    (tmp_path / "a.svs").write_text("not a slide")
    with pytest.raises(ValueError, match=r"a\.svs: not a slide that can be read .* copy it again"):
        open_slide(tmp_path / "a.svs")


def test_what_was_not_scanned_is_white_never_black(path, pixels):
    with open_slide(path) as slide:
        beyond = slide.region(1900, 1400, 0, 300, 300)
    assert beyond[:90, :90].min() > 200
    assert (beyond[110:, 110:] == 255).all()
    assert np.abs(beyond[:101, :101].astype(int) - pixels[1400:, 1900:]).mean() < 3


def test_half_transparent_pixels_take_half_of_the_background(path):
    with open_slide(path) as slide:
        pixels = np.array([[[100, 0, 50, 255], [100, 0, 50, 0], [100, 0, 51, 51]]], dtype=np.uint8)
        found = slide._composited(pixels)
    # 51 / 255 = a fifth: 100 / 5 + 255 * 4 / 5 = 224; 0 + 204; 51 / 5 + 204 = 214.2
    assert found.tolist() == [[[100, 0, 50], [255, 255, 255], [224, 204, 214]]]


def test_downsample_that_is_no_integer_serves_and_shows_the_same_place(path, pixels):
    with open_slide(path) as slide:
        assert slide._handle.level_downsamples[1] == pytest.approx((2001 / 1000 + 1501 / 750) / 2)
        reads = []
        region = slide.region
        slide.region = lambda *args: reads.append(args) or region(*args)
        found = slide.tile(700, 500, side0=512, tile_px=256)
    assert [read[2] for read in reads] == [1], "the half-size level is nearly half size: it is read, not level 0"
    wanted = cv2.resize(pixels[500:1012, 700:1212], (256, 256), interpolation=cv2.INTER_AREA)
    assert found.shape == (256, 256, 3)
    shifted = np.abs(found[4:-4, 4:-4].astype(int) - wanted[8:, 8:]).mean()
    assert np.abs(found.astype(int) - wanted).mean() < min(6, shifted / 2)


def test_tile_at_full_resolution_is_the_slides_own_pixels(path):
    with open_slide(path) as slide:
        assert np.array_equal(slide.tile(512, 256, 128, 128), slide.region(512, 256, 0, 128, 128))


def test_thumbnail_in_strips_is_the_thumbnail_in_one_piece(path, pixels, monkeypatch):
    with open_slide(path) as slide:
        whole = slide.thumbnail(500)
        monkeypatch.setattr("modalities.slides.reading.reading._STRIP_PX", 40_000)
        strips = slide.thumbnail(500)
    assert whole.shape == strips.shape == (375, 500, 3)
    assert np.abs(whole.astype(int) - strips).mean() < 1
    assert np.abs(whole.astype(int) - cv2.resize(pixels, (500, 375), interpolation=cv2.INTER_AREA)).mean() < 3


def test_thumbnail_of_a_slide_smaller_than_it_is_the_slide(tmp_path):
    with open_slide(write_slide(tmp_path / "a.svs", glass(300, 411), levels=(1,))) as slide:
        assert slide.thumbnail(1000).shape == (300, 411, 3)


def test_label_and_macro_images_are_never_asked_for():
    folder = Path(modalities.slides.__path__[0])
    assert [str(path) for path in folder.rglob("*.py") if "associated" in path.read_text(encoding="utf-8")] == []
    assert not hasattr(Slide, "associated_images")


@pytest.mark.parametrize("level", [0, 1])
def test_pixels_read_straight_from_the_file_are_openslides(tmp_path, level):
    pixels = with_tissue(glass(1024, 2048), 100, 100, 800, 1700)
    path = write_slide(tmp_path / "a.svs", pixels, levels=(1, 4))
    with open_slide(path) as slide:
        assert slide._direct is not None
        for x, y in ((0, 0), (256, 512), (300, 100), (1024, 412)):
            straight = slide._straight(x, y, level, 201, 97)
            painted = np.asarray(slide._handle.read_region((x, y), level, (201, 97)))[..., :3]
            assert straight is not None
            assert np.array_equal(straight, painted)


@pytest.mark.parametrize("corner", [(-1, 0), (0, -1), (-300, 40)])
def test_a_corner_outside_the_slide_is_not_read_straight(path, corner):
    with open_slide(path) as slide:
        assert slide._direct.region(0, 0, 0, 300, 50) is not None
        assert slide._direct.region(*corner, 0, 300, 50) is None


def test_what_cannot_be_read_straight_is_left_to_openslide(path):
    with open_slide(path) as slide:
        assert slide._straight(1900, 0, 0, 200, 50) is None, "part of it lies outside"
        assert slide._straight(700, 500, 1, 50, 50) is None, "it begins between two pixels of the level"
        slide._direct.region = lambda *args: None
        assert slide.region(0, 0, 0, 30, 20).shape == (20, 30, 3)
