"""What the quick way finds, beside the same steps taken plainly: in floats, and over every pixel of the tile."""

import cv2
import numpy as np
import pytest

from modalities.slides.nuclei.nuclei import CLASSES, measured, with_typical_stain
from modalities.slides.nuclei.outlines import Outlines, outlines
from modalities.slides.reading.reading import open_slide
from modalities.slides.synthetic import paint, traits_of
from modalities.slides.tissue.colour import UNIT, haematoxylin_in, optical_density, stains

UM_PX = 0.5


def plainly(tile, um_px):
    """The nuclei's pixels by the letter."""
    smooth = cv2.GaussianBlur(np.ascontiguousarray(stains(optical_density(tile))[..., 0]), (0, 0), 0.5 / um_px)
    around = cv2.blur(smooth, (2 * round(16 / um_px) + 1,) * 2)
    contrast = np.clip(0.4 * smooth.std(), 0.05, 0.2)
    edge = 0.4 * (cv2.dilate(smooth, disc(3 / um_px)) - around)
    stained = (smooth > np.maximum(around + np.maximum(contrast, edge), 0.15)).astype(np.uint8)
    stained = cv2.morphologyEx(stained, cv2.MORPH_OPEN, disc(0.5 / um_px))
    depth = cv2.GaussianBlur(cv2.distanceTransform(stained, cv2.DIST_L2, 5), (0, 0), 1 / um_px)
    peaks = (depth >= cv2.dilate(depth, disc(3.5 / um_px))) & (depth > 0.6 / um_px) & (stained > 0)
    _, blobs = cv2.connectedComponents(stained, connectivity=4)
    _, nearest = cv2.distanceTransformWithLabels((~peaks).astype(np.uint8), cv2.DIST_L2, 5)
    y, x = np.nonzero(stained)
    _, nucleus = np.unique(np.stack([blobs[y, x], nearest[y, x]]), axis=1, return_inverse=True)
    return Outlines(x, y, nucleus.ravel())


def disc(radius):
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(radius) + 1,) * 2)


def compositions(tiles, find):
    """A row a tile, of one slide."""
    whole = [haematoxylin_in(tile) for tile in tiles]
    nuclei = [measured(one, find(tile, one), UM_PX) for tile, one in zip(tiles, whole, strict=True)]
    return np.stack([found.composition() for found in with_typical_stain(nuclei, None)[0]])


def both(tiles):
    """The quick way's and the plain one's."""
    return (
        compositions(tiles, lambda _, haematoxylin: outlines(haematoxylin, UM_PX)),
        compositions(tiles, lambda tile, _: plainly(tile, UM_PX)),
    )


def check_alike(quick, plain):
    """Correlation over tiles, for all classes together and for each that a tile holds two of or more."""
    assert np.corrcoef(quick.ravel(), plain.ravel())[0, 1] > 0.998
    assert quick.sum() == pytest.approx(plain.sum(), rel=0.01)
    many = np.flatnonzero(plain.mean(axis=0) >= 2)
    assert len(many) >= 3
    for kind in many:
        assert np.corrcoef(quick[:, kind], plain[:, kind])[0, 1] > 0.99, CLASSES[kind]


def tiles_of(image):
    rows, columns = (range(0, size - 255, 256) for size in image.shape[:2])
    return [np.ascontiguousarray(image[y : y + 256, x : x + 256]) for y in rows for x in columns]


def test_composition_of_made_up_slides_is_the_plain_ways():
    slides = []
    for case in range(12):
        traits = traits_of(case % 4, np.random.default_rng([case, 1]))
        slides.append(both(tiles_of(paint(traits, np.random.default_rng([case, 2]), 640)[64:, 64:])))
    check_alike(*(np.concatenate(way) for way in zip(*slides, strict=True)))


@pytest.mark.slow  # a hundred tiles and more, plainly
@pytest.mark.parametrize("name", ["cmu-1-small-region.svs", "tcga-cr-7395-01a-01-ts1.svs"])
def test_composition_of_real_slides_is_the_plain_ways(tcga_data, name):
    if not (tcga_data / "slides" / name).is_file():
        pytest.skip(f"no {name} at {tcga_data / 'slides'}")
    with open_slide(tcga_data / "slides" / name, default_mpp=0.5) as slide:
        side = round(128 / slide.mpp)
        places = [(x, y) for y in range(0, slide.height - side, side) for x in range(0, slide.width - side, side)]
        tiles = [slide.tile(x, y, side, 256) for x, y in places]
    check_alike(*both(tiles))


def test_where_a_nucleus_lies_makes_no_difference():
    for shift in range(8):
        haematoxylin = np.full((128, 128), 0.1 * UNIT, np.int16)
        haematoxylin[40 + shift : 54 + shift, 30:44] = 0.6 * UNIT  # an even side: its peak is four pixels
        haematoxylin[80:98, 70 + shift : 88 + shift] = 0.6 * UNIT
        found = measured(haematoxylin, outlines(haematoxylin, UM_PX), UM_PX)
        assert len(found) == 2, shift
        assert found.centre_um == pytest.approx(np.array([[18.5, 23.5 + shift / 2], [39.5 + shift / 2, 44.5]]), abs=0.1)


def test_small_nuclei_side_by_side_are_two_wherever_they_lie():
    for shift in range(12):
        haematoxylin = np.full((96, 96), 0.1 * UNIT, np.int16)
        for centre in (36 + shift, 43 + shift):
            drawn = cv2.circle(np.zeros((96, 96), np.uint8), (centre, centre), 5, 1, -1)
            haematoxylin[drawn > 0] = 0.6 * UNIT
        assert len(measured(haematoxylin, outlines(haematoxylin, UM_PX), UM_PX)) == 2, shift


def test_each_pixel_of_touching_nuclei_goes_to_the_nearer_one():
    haematoxylin = np.full((96, 96), 0.1 * UNIT, np.int16)
    for centre in ((40, 45), (56, 51)):
        drawn = cv2.circle(np.zeros((96, 96), np.uint8), centre, 10, 1, -1)
        haematoxylin[drawn > 0] = 0.6 * UNIT
    found = outlines(haematoxylin, UM_PX)
    nearer = (found.x - 40) ** 2 + (found.y - 45) ** 2 < (found.x - 56) ** 2 + (found.y - 51) ** 2
    shares = [nearer[found.nucleus == part].mean() for part in range(found.nucleus.max() + 1)]
    assert sorted(shares) == pytest.approx([0, 1], abs=0.03)


def test_no_pixel_is_left_out_whatever_the_sides():
    whole = paint(traits_of(1, np.random.default_rng(3)), np.random.default_rng(4), 320)
    tile = np.ascontiguousarray(whole[50:251, 60:197])
    quick, plain = outlines(haematoxylin_in(tile), UM_PX), plainly(tile, UM_PX)
    lies = [np.zeros(tile.shape[:2], bool) for _ in range(2)]
    for image, way in zip(lies, (quick, plain), strict=True):
        image[way.y, way.x] = True
    assert (lies[0] != lies[1]).mean() < 0.002
    assert quick.nucleus.max() + 1 == len(np.unique(quick.nucleus))
