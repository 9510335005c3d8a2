"""A made-up consortium: real file formats, a class signal spread unevenly over modalities, sites that differ."""

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from modalities.core.files.tables.delimited import rows_of
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation
from modalities.core.site.cases import open_site
from modalities.core.site.example import write_example_site
from simulations.cohorts.cohort import Cohort

DEMO_MODALITIES = ("cnv", "clinical", "wsi_image", "wsi_graph")
TABLES = ("cnv", "clinical", "hif")

_SMALL_TILES = {"tile_um": 64.0, "tile_px": 64}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "wsi_image": {"slides": {**_SMALL_TILES, "n_tiles": 3}},
    "wsi_graph": {"slides": {**_SMALL_TILES, "n_tiles": 0}, "clustering": {"gamma": 0.004, "composition_gamma": 0.1}},
}
"""For made-up slides, which are a third of a millimetre wide: small tiles, a handful of them as a bag, small nodes."""


@dataclass(frozen=True)
class _Plan:
    """A site to make up; plain, so that it travels to a worker process."""

    root: Path
    name: str
    federation: Federation
    number: int
    n_cases: int
    held: list[str]
    permute_labels: bool


def subsets_held(modalities: Sequence[str], n_sites: int) -> list[list[str]]:
    """What each site holds: everything, all but one of each in turn, and one site with a single modality."""
    subsets = [list(modalities), [modalities[-1]], *(_without(modalities, name) for name in modalities)]
    return [subsets[number % len(subsets)] if number < len(subsets) else list(modalities) for number in range(n_sites)]


def make_cohort(
    federation: Federation,
    root: Path,
    n_sites: int,
    n_cases: int,
    permute_labels: bool = False,
    workers: int = 1,
    names: Sequence[str] = (),
) -> Cohort:
    """Write the sites below `root`; sizes grow from site to site, around `n_cases`.

    Without `names` they are called by their numbers.
    """
    frames, sources = [], {}
    sizes = [round(n_cases * (0.7 + 0.6 * number / max(n_sites - 1, 1))) for number in range(n_sites)]
    called = names or [f"site_{number + 1}" for number in range(n_sites)]
    plans = [
        _Plan(root, called[number], federation, number, sizes[number], held, permute_labels)
        for number, held in enumerate(subsets_held(list(federation.modalities), n_sites))
    ]
    for folder in _write_all(plans, workers):
        site = open_site(folder, federation.task)
        header, *rows = rows_of(folder / "cases.csv")
        labels = {row[header.index("case_id")]: row[header.index(federation.task.label)] for row in rows}
        frames.append(pd.DataFrame({"label": pd.Series(labels), "site": site.name}))
        sources[site.name] = dict(site.sources)
    return Cohort(pd.concat(frames).rename_axis("case_id"), sources)


def _write_all(plans: Sequence[_Plan], workers: int) -> list[Path]:
    """The site folders; made side by side where there are slides, which take time to paint and to prepare."""
    if workers < 2 or not any(map(_slide_modalities, plans)):
        return [_write_one(plan) for plan in plans]
    with ProcessPoolExecutor(min(workers, len(plans)), multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(_write_one, reversed(plans)))[::-1]  # the largest first


def _write_one(plan: _Plan) -> Path:
    """A site folder, its slides prepared."""
    folder = write_example_site(
        plan.root, plan.federation, plan.number, plan.n_cases, plan.held, plan.permute_labels, plan.name
    )
    sources = open_site(folder, plan.federation.task).sources
    for name in _slide_modalities(plan):
        config = plan.federation.modalities[name]
        plugin(config.kind).read(sources[name], config)
    return folder


def _slide_modalities(plan: _Plan) -> list[str]:
    return [name for name in plan.held if hasattr(plan.federation.modalities[name], "slides")]


def _without(modalities: Sequence[str], name: str) -> list[str]:
    return [other for other in modalities if other != name] or [name]
