import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from modalities.wsi_graph.clustering import Clustering, clusters_of
from tests.modalities.wsi import grid


def test_similarity_at_the_cut_decides_whether_two_tiles_are_one_node():
    """1 - exp(-gamma d) = 0.8 at d = ln 5 / gamma = 1609.4 pixels."""
    nothing = np.zeros((2, 0))
    for distance, expected in ((1609.0, [0, 0]), (1610.0, [0, 1])):
        places = np.array([[0.0, 0.0], [distance, 0.0]])
        assert clusters_of(places, nothing, Clustering()).tolist() == expected


def test_difference_of_composition_parts_neighbours():
    """exp(-(0.5 + 0.001 * 1200)) = 0.183 < 0.2: parted; at 1100: 0.202."""
    places = np.array([[0.0, 0.0], [500.0, 0.0]])
    for difference, expected in ((1100.0, [0, 0]), (1200.0, [0, 1])):
        composition = np.array([[0.0, 0.0], [difference, 0.0]])
        assert clusters_of(places, composition, Clustering()).tolist() == expected


def test_tiles_beyond_the_spatial_threshold_are_not_alike_however_flat_gamma_is():
    places = np.array([[0.0, 0.0], [1999.0, 0.0], [0.0, 5000.0], [2001.0, 5000.0]])
    found = clusters_of(places, np.zeros((4, 1)), Clustering(gamma=1e-6))
    assert found.tolist() == [0, 0, 1, 2]


def test_average_linkage_joins_the_third_tile_by_its_mean_distance():
    """1 - similarity of the pairs: .632 and .865 (mean .749 < .8, joined); .632 and .950 with 3000 pixels (.79)."""
    places = np.array([[0.0, 0.0], [1000.0, 0.0], [2000.0, 0.0]])
    assert clusters_of(places, np.zeros((3, 1)), Clustering()).tolist() == [0, 0, 0]
    assert clusters_of(places, np.zeros((3, 1)), Clustering(cut=0.7)).tolist() == [0, 0, 1]


def test_one_tile_is_one_cluster_and_numbers_follow_the_first_tiles():
    assert clusters_of(np.zeros((1, 2)), np.ones((1, 5)), Clustering()).tolist() == [0]
    far = np.array([[90000.0, 0.0], [0.0, 0.0], [90000.0, 400.0]])
    assert clusters_of(far, np.zeros((3, 1)), Clustering()).tolist() == [0, 1, 0]


def test_blocks_agree_with_all_pairs_but_at_their_borders():
    rng = np.random.default_rng(3)
    places = grid(1700).astype(float)
    composition = rng.poisson(3 + 2 * np.sin(places[:, :1] / 4000), (1700, 5)).astype(float)
    exact = clusters_of(places, composition, Clustering())
    blocked = clusters_of(places, composition, Clustering(exact_up_to=900, block_tiles=900))
    assert adjusted_rand_score(exact, blocked) > 0.7
    assert abs(blocked.max() - exact.max()) < 0.1 * exact.max()


def test_exactly_as_many_tiles_as_allowed_are_clustered_over_all_pairs():
    places = grid(301).astype(float)
    composition = np.zeros((301, 1))
    exact = clusters_of(places, composition, Clustering())
    at_the_limit = clusters_of(places, composition, Clustering(exact_up_to=301, block_tiles=50))
    beyond = clusters_of(places, composition, Clustering(exact_up_to=300, block_tiles=50))
    assert np.array_equal(exact, at_the_limit)
    assert not np.array_equal(exact, beyond)


def test_settings_out_of_range_are_all_named():
    with pytest.raises(
        ValueError, match=r"(?s)cut\n  Input should be less than 1 .*block_tiles\n  Input should be greater than .* 2 "
    ):
        Clustering(cut=1.0, block_tiles=1)
