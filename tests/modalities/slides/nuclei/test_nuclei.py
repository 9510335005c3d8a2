"""The built-in detector on drawn nuclei, whose number and measures are known."""

import cv2
import numpy as np
import pytest

from modalities.slides.nuclei.nuclei import CLASSES, nuclei_in, with_typical_stain
from modalities.slides.synthetic import paint, traits_of
from modalities.slides.tissue.colour import UNIT, haematoxylin_in, optical_density, stains

UM_PX = 0.5
PURPLE, PALE = (90, 50, 140), (140, 100, 180)


def tile(*ellipses, colour=PURPLE):
    """Pink tissue of 256 pixels with ellipses: centre, half axes, angle."""
    found = np.full((256, 256, 3), (225, 150, 190), dtype=np.uint8)
    for centre, axes, angle in ellipses:
        cv2.ellipse(found, centre, axes, angle, 0, 360, colour, -1)
    return found


def test_stains_of_a_pure_colour_are_what_it_was_mixed_of():
    haematoxylin, eosin = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])
    wanted = 0.6 * haematoxylin / np.linalg.norm(haematoxylin) + 0.3 * eosin / np.linalg.norm(eosin)
    density = np.broadcast_to(wanted.astype(np.float32), (3, 5, 3)).copy()
    assert stains(density)[1, 2] == pytest.approx([0.6, 0.3, 0.0], abs=1e-5)


def test_density_is_the_logarithm_of_the_light_that_passes():
    found = optical_density(np.array([[[255, 127, 0]]], dtype=np.uint8))
    assert found[0, 0] == pytest.approx([0.0, np.log10(2), np.log10(256)])


def test_haematoxylin_in_whole_numbers_is_the_first_of_the_stains():
    pixels = np.random.default_rng(5).integers(0, 256, (37, 41, 3)).astype(np.uint8)
    wanted = stains(optical_density(pixels))[..., 0]
    assert np.abs(haematoxylin_in(pixels) / UNIT - wanted).max() < 1.01 / UNIT
    black = haematoxylin_in(np.zeros((1, 1, 3), dtype=np.uint8))
    assert black[0, 0] / UNIT == pytest.approx(4.41, abs=0.01)  # the densest there is; 8 would not fit


def test_nuclei_of_a_tile_do_not_depend_on_those_looked_at_before():
    slide = paint(traits_of(2, np.random.default_rng(1)), np.random.default_rng(2), 640)
    tiles = [slide[y : y + 256, x : x + 256] for y in (90, 300) for x in (80, 210, 330)] + [tile()]
    first = [nuclei_in(np.ascontiguousarray(one), UM_PX) for one in tiles]
    for order in ([5, 2, 6, 0, 4, 1, 3], [6, 6, 3], [1]):
        for place in order:
            again = nuclei_in(tiles[place], UM_PX)  # a view into the slide
            for name in ("centre_um", "area_um2", "elongation", "stain", "texture"):
                assert getattr(again, name).tobytes() == getattr(first[place], name).tobytes()


def test_nuclei_are_counted_and_measured():
    found = nuclei_in(tile(((60, 60), (8, 8), 0), ((150, 80), (6, 6), 0), ((90, 180), (16, 5), 30)), UM_PX)
    assert len(found) == 3
    order = np.argsort(found.centre_um[:, 1])
    assert found.centre_um[order] == pytest.approx(np.array([[30, 30], [75, 40], [45, 90]]), abs=1)
    # pi * 8 * 8 pixels of a quarter square micrometre, and so on
    assert found.area_um2[order] == pytest.approx(np.pi * np.array([64, 36, 80]) / 4, rel=0.3)
    assert found.elongation[order] == pytest.approx([1.0, 1.0, 3.2], rel=0.25)


def test_touching_nuclei_are_parted():
    assert len(nuclei_in(tile(((100, 100), (9, 9), 0), ((115, 100), (9, 9), 0)), UM_PX)) == 2


def test_classes_are_of_size_shape_and_stain():
    small, medium, long = ((40, 40), (4, 4), 0), ((120, 40), (7, 7), 0), ((200, 60), (18, 5), 0)
    drawn = nuclei_in(tile(small, medium, long), UM_PX)
    assert dict(zip(CLASSES, drawn.composition(), strict=True)) == {
        "small": 1,
        "medium": 1,
        "large_pale": 0,
        "large_dark": 0,
        "elongated": 1,
    }
    dark = nuclei_in(tile(((60, 150), (14, 14), 0), ((160, 150), (14, 14), 0)), UM_PX)
    pale = nuclei_in(tile(((60, 150), (14, 14), 0), colour=PALE), UM_PX)
    (_, dark, pale), typical = with_typical_stain([pale, dark, pale], None)
    assert typical == pytest.approx(float(np.median(np.concatenate([pale.stain, dark.stain, pale.stain]))))
    assert [CLASSES[index] for index in pale.classes()] == ["large_pale"]
    assert [CLASSES[index] for index in dark.classes()] == ["large_dark", "large_dark"]


def test_typical_stain_is_that_of_the_first_tiles_with_nuclei():
    blank, held = nuclei_in(tile(), UM_PX), nuclei_in(tile(((60, 60), (8, 8), 0)), UM_PX)
    (found,), typical = with_typical_stain([blank], None)
    assert (len(found), typical) == (0, None)
    _, typical = with_typical_stain([held], None)
    assert typical == pytest.approx(float(held.stain[0]))
    assert with_typical_stain([blank], typical)[1] == typical


@pytest.mark.parametrize("colour", [(255, 255, 255), (225, 150, 190), (0, 0, 0)], ids=["glass", "eosin", "black"])
def test_plain_tile_has_no_nuclei(colour):
    found = nuclei_in(np.full((256, 256, 3), colour, dtype=np.uint8), UM_PX)
    assert len(found) == 0
    assert found.composition().tolist() == [0] * len(CLASSES)


def test_specks_and_clumps_are_no_nuclei():
    assert len(nuclei_in(tile(((60, 60), (1, 1), 0)), UM_PX)) == 0
