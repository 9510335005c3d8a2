"""From a case's slides to its graph."""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from safetensors import SafetensorError
from safetensors.numpy import load, save

from modalities.core.contract import Cases, Source
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import Problem, check
from modalities.slides.bags import SlideTiles, TileFeatures
from modalities.slides.reading.files import CannotWriteError, write_whole
from modalities.slides.reading.source import read_case_by_case

from .config import Config
from .graph import Graph, build_graph, side_by_side

CODE_VERSION = 1
"""Raise it when the same tiles give another graph: kept graphs are then built again."""
_KEPT_FROM = 1000  # tiles: a smaller graph is built sooner than it is found


def read(source: Source, config: Config) -> Cases:
    """The graph of each case, its slides side by side; large ones are kept in the site's cache folder.

    Cases are read one at a time, so that the tiles of no more than one lie in memory.

    Raises:
        ValueError: what `modalities.slides.reading.source.read_case_by_case` says, or slides lack what a graph needs.
    """
    notes, lacking, unscaled = Counter[str](), _Lacking(), 0
    cases = read_case_by_case(source, config.slides, notes)
    from modalities.slides.cases import cache_of  # needs the `slides` extra, which read_case_by_case asked for

    folder, graphs = cache_of(source) / "graphs", dict[str, Graph]()
    for case_id, slides in cases:
        unscaled += sum(not slide.tiles.mpp for slide in slides)
        if not lacking.add(slides, config):
            graphs[case_id] = graph_of_case(slides, config, folder)
    lacking.refuse()
    said = {**notes, "slides without microns-per-pixel, lengths taken as they are": unscaled}
    return Cases(tuple(graphs), list(graphs.values()), notes=said)


def graph_of_case(slides: Sequence[SlideTiles], config: Config, folder: Path | None = None) -> Graph:
    """The graphs of a case's slides side by side."""
    return side_by_side([graph_of(slide.tiles, config, folder) for slide in slides])


def graph_of(tiles: TileFeatures, config: Config, folder: Path | None = None) -> Graph:
    """The graph of one slide; one of many tiles is looked for, and kept, in the folder."""
    if folder is None or len(tiles) < _KEPT_FROM:
        return _built(tiles, config)
    path = folder / f"{_digest(tiles, config)}.safetensors"
    try:
        return Graph(**load(path.read_bytes()))
    except (OSError, SafetensorError, TypeError):
        graph = _built(tiles, config)
        with suppress(CannotWriteError):  # it is then built again next time
            write_whole(path, save(graph._asdict()))
        return graph


def places_of(tiles: TileFeatures, config: Config) -> Float64[np.ndarray, "tile 2"]:
    """Middles of the tiles, in pixels of `reference_mpp` where the file says how large its own are."""
    scale = tiles.mpp / config.reference_mpp if tiles.mpp else 1.0
    coords = np.zeros((len(tiles), 2)) if tiles.coords is None else tiles.coords.astype(np.float64)
    return (coords + tiles.side0 / 2) * scale


def _built(tiles: TileFeatures, config: Config) -> Graph:
    parts = {"composition": tiles.composition, "features": tiles.features}
    names = ("composition", "features") if config.inputs == "both" else (config.inputs,)
    values = np.concatenate([np.asarray(parts[name], dtype=np.float64) for name in names], axis=1)
    alike = values if config.inputs == "features" else np.asarray(tiles.composition, dtype=np.float64)
    return build_graph(places_of(tiles, config), alike, values, config.clustering, config.edge_px, config.coordinates)


class _Lacking:
    """Slides that lack what a graph needs."""

    def __init__(self) -> None:
        self._placeless, self._uncounted = set[str](), set[str]()

    def add(self, slides: Sequence[SlideTiles], config: Config) -> bool:
        """Look at a case's slides, and say whether any lacks something so far."""
        self._placeless |= {slide.slide for slide in slides if slide.tiles.coords is None}
        if config.inputs != "features":
            self._uncounted |= {slide.slide for slide in slides if slide.tiles.composition is None}
        return bool(self._placeless or self._uncounted)

    def refuse(self) -> None:
        """Name them, all at once.

        Raises:
            ValueError: there are some.
        """
        problems = []
        if self._placeless:
            what = f"no places of tiles for {listing(sorted(self._placeless))}, and a graph needs them"
            remedy = (
                "put there what the tool wrote with the features and `coords` in one file (.h5, .zarr) instead of .pt, "
                "or use a modality of kind `wsi_image`, which needs no places"
            )
            problems.append(Problem(what, remedy))
        if self._uncounted:
            remedy = (
                "name a table of it in site.yaml, give the slides themselves, or agree on `inputs: features` in "
                "federation.yaml"
            )
            problems.append(Problem(f"no nuclear composition for {listing(sorted(self._uncounted))}", remedy))
        check(problems)


def _digest(tiles: TileFeatures, config: Config) -> str:
    """Of everything that a graph depends on."""
    settings: Mapping[str, object] = {
        "code": CODE_VERSION,
        "clustering": dataclasses.asdict(config.clustering),
        "rest": [config.inputs, config.coordinates, config.edge_px],
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in (
        places_of(tiles, config),
        tiles.composition,
        tiles.features if config.inputs != "composition" else None,
    ):
        digest.update(b"|" if array is None else f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:24]
