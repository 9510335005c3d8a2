"""Which tiles belong together: near each other, and of like composition.

The similarity of two tiles is exp(-(gamma * distance + composition_gamma * difference)), and 0 for two that lie
further apart than the spatial threshold; clusters are cut from average linkage on 1 - similarity.

Source: the recipe of SlideGraph+ (Lu et al. 2022, doi:10.1016/j.media.2022.102486), written anew.
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from jaxtyping import Float, Int64
from pydantic import Field, StrictInt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from modalities.core.fields import NotNegative, Positive, ShareBetween, settings


@settings
class Clustering:
    """Section `modalities.wsi_graph.clustering` of federation.yaml; a pixel is one of `reference_mpp`."""

    spatial_threshold_px: Positive = 2000.0
    """Tiles further apart than this are not alike at all."""
    gamma: NotNegative = 0.001
    """How fast likeness falls with distance, for each pixel."""
    composition_gamma: NotNegative = 0.001
    """How fast likeness falls with the Euclidean difference of the tiles' composition."""
    cut: ShareBetween = 0.8
    """Clusters are as large as average linkage at this value of 1 - similarity makes them."""
    exact_up_to: Annotated[StrictInt, Field(ge=1, le=20_000)] = 5000
    """Slides with more tiles than this are clustered block by block: time and memory of all pairs, but in a block."""
    block_tiles: Annotated[StrictInt, Field(ge=2, le=20_000)] = 2500
    """Most tiles of a block."""


def clusters_of(
    places: Float[np.ndarray, "tile 2"], composition: Float[np.ndarray, "tile part"], settings: Clustering
) -> Int64[np.ndarray, " tile"]:
    """The cluster of every tile, numbered from 0 in the order of their first tiles."""
    if len(places) <= settings.exact_up_to:
        return _numbered(_exact(places, composition, settings))
    found, n_clusters = np.zeros(len(places), dtype=np.int64), 0
    for block in _blocks(places, settings.block_tiles):
        own = _exact(places[block], composition[block], settings)
        found[block] = own + n_clusters
        n_clusters += own.max() + 1
    return _numbered(found)


def _exact(places: np.ndarray, composition: np.ndarray, settings: Clustering) -> np.ndarray:
    """Clusters over all pairs; worked out in place, since 5,000 tiles have 12.5 million of them."""
    if len(places) == 1:
        return np.zeros(1, dtype=np.int64)
    distance = pdist(places)
    is_far = distance > settings.spatial_threshold_px
    distance *= -settings.gamma
    if settings.composition_gamma and composition.shape[1]:
        difference = pdist(composition)
        difference *= settings.composition_gamma
        distance -= difference
    np.exp(distance, out=distance)
    np.subtract(1.0, distance, out=distance)
    distance[is_far] = 1.0
    tree = linkage(distance, method="average")
    return fcluster(tree, settings.cut, criterion="distance").astype(np.int64) - 1


def _blocks(places: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Blocks of at most so many tiles, halved across their longer side: compact, and of like size."""
    waiting = [np.arange(len(places))]
    while waiting:
        block = waiting.pop()
        if len(block) <= most:
            yield block
            continue
        axis = int(np.argmax(np.ptp(places[block], axis=0)))
        order = block[np.argsort(places[block, axis], kind="stable")]
        waiting += [np.sort(half) for half in np.array_split(order, 2)]


def _numbered(clusters: np.ndarray) -> Int64[np.ndarray, " tile"]:
    """The same clusters, numbered in the order of their first tiles."""
    _, first, inverse = np.unique(clusters, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
