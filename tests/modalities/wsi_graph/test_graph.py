import numpy as np
import pytest

from modalities.wsi_graph.clustering import Clustering
from modalities.wsi_graph.graph import build_graph, delaunay_edges, in_degrees, side_by_side


def edge_set(edges):
    return {tuple(pair) for pair in edges.T.tolist()}


def test_edges_stand_in_both_directions_and_none_is_longer_than_the_limit():
    points = np.array([[0.0, 0.0], [3000.0, 0.0], [0.0, 3000.0], [3100.0, 3050.0], [9000.0, 1000.0]])
    edges = delaunay_edges(points, 4000.0)
    lengths = np.linalg.norm(points[edges[0]] - points[edges[1]], axis=1)
    assert lengths.max() <= 4000.0
    assert {(0, 1), (1, 0), (0, 2), (2, 0), (1, 3), (3, 1), (2, 3), (3, 2)} <= edge_set(edges)
    assert not any(4 in pair for pair in edge_set(edges)), "the last point is too far from all others"
    assert {(a, b) for b, a in edge_set(edges)} == edge_set(edges)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([[5.0, 5.0]], set()),
        ([[0.0, 0.0], [10.0, 0.0]], {(0, 1), (1, 0)}),
        ([[20.0, 0.0], [0.0, 0.0], [10.0, 0.0]], {(0, 2), (2, 0), (1, 2), (2, 1)}),  # on a line
        ([[0.0, 0.0], [5000.0, 0.0]], set()),
    ],
)
def test_points_without_a_triangulation_are_joined_along_their_line(points, expected):
    assert edge_set(delaunay_edges(np.array(points), 4000.0)) == expected


def test_a_node_is_the_mean_of_its_tiles_and_knows_its_place_in_thousands_of_pixels():
    places = np.array([[0.0, 0.0], [400.0, 0.0], [9000.0, 0.0]])
    values = np.array([[1.0, 8.0], [3.0, 10.0], [7.0, 1.0]])
    graph = build_graph(places, np.zeros((3, 1)), values, Clustering(), 4000.0, with_place=True)
    assert graph.node_of_tile.tolist() == [0, 0, 1]
    middle = 9400.0 / 3
    expected = [[2.0, 9.0, (200 - middle) / 1000, 0.0], [7.0, 1.0, (9000 - middle) / 1000, 0.0]]
    np.testing.assert_allclose(graph.nodes, expected, rtol=1e-6)
    assert graph.edges.tolist() == [[0, 1], [0, 1]], "8800 pixels are too far for an edge: each listens to itself"


def test_slides_of_a_case_lie_side_by_side_and_no_edge_joins_them():
    rng = np.random.default_rng(0)
    graphs = []
    for n_tiles in (13, 29):
        places = rng.uniform(0, 12000, (n_tiles, 2))
        graphs.append(build_graph(places, np.zeros((n_tiles, 1)), places, Clustering(), 4000.0, with_place=False))
    both = side_by_side(graphs)
    first = len(graphs[0].nodes)
    assert len(both.nodes) == first + len(graphs[1].nodes)
    assert len(both.node_of_tile) == 13 + 29
    assert not ((both.edges[0] < first) != (both.edges[1] < first)).any()
    assert in_degrees(both).tolist() == [*in_degrees(graphs[0]), *in_degrees(graphs[1])]
