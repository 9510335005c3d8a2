"""The heatmap and the GeoJSON of a slide of which the site has feature files only: every colour worked out by hand."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from client.use.heatmap import geojson, heatmap, strength
from modalities.core.contract import Source
from modalities.slides.bags import SlideTiles, TileFeatures
from modalities.slides.nuclei.contributions import Contributions

MARGIN, WHITE = 44, [255, 255, 255]
CORNERS = np.array([[0, 0], [100, 0], [0, 100]])
SHARES = np.array([2.0, -1.0, 0.0])
RED, PALE_BLUE = [219, 109, 115], [182, 198, 237]
"""White under 0.65 of (200, 30, 40), and under half of that, 0.325, of (30, 80, 200)."""


@pytest.fixture
def source(tmp_path):
    """A site with a feature file of another slide, so that these tiles lie on white."""
    torch.save(torch.zeros(3, 2), tmp_path / "another.pt")
    return Source((tmp_path,))


def contributions(corners=CORNERS, side=100, size=(300, 200), shares=SHARES, node=None):
    tiles = TileFeatures(np.zeros((len(shares), 2), np.float32), corners, side0=side, size0=size)
    return Contributions(SlideTiles("case", "slide", tiles), shares, "logit", node)


def picture(found, source):
    """Height x width x RGB, without the line of words above."""
    shown = cv2.imdecode(np.frombuffer(heatmap(found, "LumA", source), np.uint8), cv2.IMREAD_COLOR)
    assert (shown[:MARGIN] < 128).any(), "the words"
    assert (shown[:MARGIN] > 250).any(), "on white"
    return cv2.cvtColor(shown[MARGIN:], cv2.COLOR_BGR2RGB)


def test_a_tile_for_the_class_is_red_one_against_it_blue_and_the_larger_is_the_more_opaque(source):
    shown = picture(contributions(), source)
    assert shown.shape == (200, 640, 3)  # no narrower than the words
    expected = np.full((200, 640, 3), 255)
    expected[:100, :100], expected[:100, 100:200] = RED, PALE_BLUE
    assert (shown == expected).all()


def test_a_large_slide_is_drawn_1600_pixels_wide_with_its_tiles_in_their_places(source):
    shown = picture(contributions(np.array([[1000, 600]]), 100, (3200, 1600), np.array([0.7])), source)
    assert shown.shape == (800, 1600, 3)
    expected = np.full((800, 1600, 3), 255)
    expected[300:350, 500:550] = RED
    assert (shown == expected).all()


def test_a_slide_of_unknown_size_reaches_to_its_farthest_tile(source):
    corners = np.array([[0, 0], [700, 300]])
    shown = picture(contributions(corners, 100, (0, 0), np.array([0.0, 5.0])), source)
    assert shown.shape == (400, 800, 3)
    assert shown[399, 799].tolist() == RED


def test_a_tile_smaller_than_a_pixel_is_still_drawn(source):
    shown = picture(contributions(np.array([[8000, 4000]]), 2, (16000, 8000), np.array([-3.0])), source)
    assert (shown != 255).any(axis=2).sum() == 1
    assert shown[400, 800].tolist() == [109, 141, 219]  # white under 0.65 of (30, 80, 200)


def test_strength_is_the_share_of_the_largest_whatever_its_sign():
    assert strength(np.array([0.3, -1.5, 0.0])).tolist() == pytest.approx([0.2, 1.0, 0.0])
    assert strength(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    assert strength(np.zeros(0)).tolist() == []


def test_geojson_has_a_closed_square_a_tile_with_its_sign_its_strength_and_its_node():
    features = geojson(contributions(node=np.array([4, 4, 7])), "LumA")["features"]
    assert [feature["geometry"]["coordinates"] for feature in features[:2]] == [
        [[[0, 0], [100, 0], [100, 100], [0, 100], [0, 0]]],
        [[[100, 0], [200, 0], [200, 100], [100, 100], [100, 0]]],
    ]
    kinds = [feature["properties"]["classification"] for feature in features]
    assert [(kind["name"], kind["color"]) for kind in kinds] == [
        ("for LumA", [200, 30, 40]),
        ("against LumA", [30, 80, 200]),
        ("for LumA", [200, 30, 40]),
    ]
    assert [feature["properties"]["measurements"] for feature in features] == [
        {"contribution": 2.0, "strength": 1.0, "node": 4},
        {"contribution": -1.0, "strength": 0.5, "node": 4},
        {"contribution": 0.0, "strength": 0.0, "node": 7},
    ]
    assert len({feature["id"] for feature in features}) == 3
    assert "node" not in geojson(contributions(), "LumA")["features"][0]["properties"]["measurements"]


@pytest.mark.parametrize(("corners", "side"), [(None, 100), (CORNERS, 0)])
def test_features_that_do_not_say_where_their_tiles_lie_cannot_be_drawn(corners, side, source):
    found = contributions(corners, side)
    for draw in (lambda: geojson(found, "LumA"), lambda: heatmap(found, "LumA", source)):
        with pytest.raises(ValueError, match="slide: its feature file does not say where its tiles lie"):
            draw()


def test_places_in_micrometres_are_refused_with_what_to_add(source):
    found = contributions()
    slide = replace(found.slide, tiles=replace(found.slide.tiles, is_nominal=True))
    with pytest.raises(ValueError, match=r"slide: .*micrometres, not in pixels.*`mpp` to slides\.csv"):
        geojson(replace(found, slide=slide), "LumA")
