"""Graphs of made-up tissue: time and memory of building one and of a training step, and blocked against exact clusters.

Each size is measured in a process of its own, one torch thread. Beyond `exact_up_to` tiles, time must grow like the
tiles, not like their square.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

from benchmarks.measure import peak_mib
from modalities import wsi_graph
from modalities.core.blocks.branch import build_branch
from modalities.core.contract import Cases
from modalities.core.settings.federation import federation_from
from modalities.slides.bags import TileFeatures
from modalities.wsi_graph.clustering import Clustering, clusters_of
from modalities.wsi_graph.config import Config
from modalities.wsi_graph.reading import graph_of, places_of

SIZES = (1000, 5000, 20000)
_SIDE0, _MOST_EXPONENT = 512, 1.2


def tissue(n_tiles: int, seed: int = 0) -> TileFeatures:
    """A round section of 512-pixel tiles whose nuclear composition changes over some millimetres."""
    rng = np.random.default_rng(seed)
    width = int(np.sqrt(n_tiles * 1.4)) + 2
    cells = np.stack(np.meshgrid(np.arange(width), np.arange(width)), axis=-1).reshape(-1, 2)
    ragged = np.hypot(*(cells - width / 2).T) + rng.normal(0, 0.5, len(cells))
    coords = cells[np.sort(np.argsort(ragged)[:n_tiles])].astype(np.int64) * _SIDE0
    waves = np.stack([np.sin(coords @ rng.normal(0, 1, 2) / 6000) for _ in range(5)], axis=1)
    composition = rng.poisson(8 * np.exp(waves)).astype(np.float32)
    return TileFeatures(np.zeros((n_tiles, 1), dtype=np.float32), coords, _SIDE0, 0.25, composition=composition)


def settings(convolution: str) -> Config:
    """The paper's graph with this convolution."""
    raw = {"modalities": {"wsi_graph": {"preset": "paper", "convolution": convolution}}}
    return federation_from(raw).modalities["wsi_graph"]  # pyright: ignore[reportReturnType]


def measure(n_tiles: int, convolution: str) -> dict[str, float]:
    """Of one slide: CPU seconds to build its graph and for a step, median of some; nodes, edges and peak memory."""
    torch.set_num_threads(1)
    config, tiles, before = settings(convolution), tissue(n_tiles), peak_mib()
    build = _median(lambda: graph_of(tiles, config), 3)
    graph, after = graph_of(tiles, config), peak_mib()
    cases = Cases(("case",), [graph])
    state = wsi_graph.finalise(wsi_graph.sums(cases, config), config)
    batch = wsi_graph.collate(wsi_graph.prepare(cases, state, config), torch.tensor([0]))
    branch = build_branch(config, state, 4, seed=0)
    optimiser = torch.optim.Adam(branch.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        branch.loss(batch, torch.tensor([1])).backward()
        optimiser.step()

    step()
    return {
        "tiles": n_tiles,
        "nodes": len(graph.nodes),
        "edges": graph.edges.shape[1],
        "build_s": build,
        "step_s": _median(step, 9),
        "build_mib": after - before,
        "peak_mib": peak_mib(),
    }


def agreement(n_tiles: int) -> float:
    """Adjusted Rand index of blocked with exact clusters, where both can be had."""
    tiles, config = tissue(n_tiles), settings("sage")
    places, composition = places_of(tiles, config), np.asarray(tiles.composition, dtype=np.float64)
    exact = clusters_of(places, composition, Clustering(exact_up_to=n_tiles))
    return float(adjusted_rand_score(exact, clusters_of(places, composition, Clustering(exact_up_to=1000))))


def _median(work: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return float(np.median(found))


def _exponent(rows: Sequence[dict[str, float]], what: str) -> float:
    first, last = rows[-2], rows[-1]
    return float(np.log(last[what] / first[what]) / np.log(last["tiles"] / first["tiles"]))


def main() -> None:
    """Print the table; exit code 1 if time grows too fast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--convolution", default="pna")
    parser.add_argument("--one", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one, asked.convolution)))
        return
    command = [sys.executable, "-m", "benchmarks.graphs", "--convolution", asked.convolution, "--one"]
    rows = [
        json.loads(
            subprocess.run([*command, str(n)], check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        )
        for n in SIZES
    ]
    print(f"{asked.convolution}: one slide, CPU seconds of one thread")
    for row in rows:
        print(
            f"{row['tiles']:>7} tiles {row['nodes']:>6} nodes {row['edges']:>7} edges   build {row['build_s']:.3f} s, "
            f"{row['build_mib']:.0f} MiB   training step {row['step_s']:.4f} s   peak {row['peak_mib']:.0f} MiB"
        )
    exponents = {what: _exponent(rows, what) for what in ("build_s", "step_s")}
    print(", ".join(f"{what} ~ tiles^{value:.2f}" for what, value in exponents.items()), "beyond 5000 tiles")
    for n_tiles in (5000, 10000):
        print(f"blocked and exact clusters of {n_tiles} tiles: ARI {agreement(n_tiles):.3f}")
    sys.exit(int(max(exponents.values()) > _MOST_EXPONENT))


if __name__ == "__main__":
    main()
