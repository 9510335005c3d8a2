"""A case's graph: a node for every cluster of tiles, an edge between neighbours."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int64
from scipy.spatial import Delaunay, QhullError

from .clustering import Clustering, clusters_of

_PX_A_UNIT = 1000.0
"""Coordinates of nodes in thousands of pixels: values of about 1."""


class Graph(NamedTuple):
    """One slide, or all slides of one case side by side."""

    nodes: Float32[np.ndarray, "node feature"]
    """Mean of the tiles' values, followed by the place of the node about the slide's middle where asked for."""
    edges: Int64[np.ndarray, "2 edge"]
    """Source and target of each edge; every edge stands there in both directions, and a lone node listens to itself."""
    node_of_tile: Int64[np.ndarray, " tile"]
    """The node of every tile, slide after slide."""


def build_graph(
    places: Float[np.ndarray, "tile 2"],
    composition: Float[np.ndarray, "tile part"],
    values: Float[np.ndarray, "tile value"],
    settings: Clustering,
    edge_px: float,
    with_place: bool,
) -> Graph:
    """The graph of one slide: clusters by place and composition, Delaunay edges up to `edge_px` long."""
    node_of_tile = clusters_of(places, composition, settings)
    centres = _means(places, node_of_tile)
    nodes = _means(values, node_of_tile)
    if with_place:
        nodes = np.concatenate([nodes, (centres - places.mean(axis=0)) / _PX_A_UNIT], axis=1)
    edges = delaunay_edges(centres, edge_px)
    lone = np.setdiff1d(np.arange(len(centres)), edges[1])
    edges = np.concatenate([edges, np.stack([lone, lone])], axis=1)
    return Graph(nodes.astype(np.float32), edges, node_of_tile)


def side_by_side(graphs: list[Graph]) -> Graph:
    """Several slides of a case as one graph; no edge joins two slides."""
    starts = np.cumsum([0, *(len(graph.nodes) for graph in graphs)])[:-1]
    return Graph(
        np.concatenate([graph.nodes for graph in graphs]),
        np.concatenate([graph.edges + start for graph, start in zip(graphs, starts, strict=True)], axis=1),
        np.concatenate([graph.node_of_tile + start for graph, start in zip(graphs, starts, strict=True)]),
    )


def in_degrees(graph: Graph) -> Int64[np.ndarray, " node"]:
    """How many edges end at each node."""
    return np.bincount(graph.edges[1], minlength=len(graph.nodes)).astype(np.int64)


def delaunay_edges(points: Float[np.ndarray, "node 2"], longest: float) -> Int64[np.ndarray, "2 edge"]:
    """Both directions of every side of the Delaunay triangulation that is at most so long, sorted.

    Points on a line have no triangulation: each is joined to the next.
    """
    pairs = _sides(points)
    lengths = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    kept = pairs[lengths <= longest]
    both = np.concatenate([kept, kept[:, ::-1]])
    return np.ascontiguousarray(both[np.lexsort((both[:, 0], both[:, 1]))].T.astype(np.int64))


def _sides(points: np.ndarray) -> np.ndarray:
    """The sides of the triangles, each once, the lower number first."""
    if len(points) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    try:
        corners = Delaunay(points).simplices if len(points) > 2 else None
    except QhullError:
        corners = None
    if corners is None:
        order = np.lexsort((points[:, 1], points[:, 0]))
        pairs = np.stack([order[:-1], order[1:]], axis=1)
    else:
        pairs = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [0, 2]]])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _means(values: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """The mean of the rows of each cluster."""
    total = np.zeros((int(cluster.max()) + 1, values.shape[1]))
    np.add.at(total, cluster, values)
    return total / np.bincount(cluster)[:, None]
