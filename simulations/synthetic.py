"""A made-up consortium: real file formats, a class signal spread unevenly over modalities, sites that differ."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from modalities.core.cases import open_site
from modalities.core.delimited import rows_of
from modalities.core.example import write_example_site
from modalities.core.federation import Federation
from simulations.cohort import Cohort

DEMO_MODALITIES = ("cnv", "clinical", "hif")


def subsets_held(modalities: Sequence[str], n_sites: int) -> list[list[str]]:
    """What each site holds: everything, all but one of each in turn, and one site with a single modality."""
    subsets = [list(modalities), [modalities[-1]], *(_without(modalities, name) for name in modalities)]
    return [subsets[number % len(subsets)] if number < len(subsets) else list(modalities) for number in range(n_sites)]


def make_cohort(federation: Federation, root: Path, n_sites: int, n_cases: int, permute_labels: bool = False) -> Cohort:
    """Write the sites below `root`; sizes grow from site to site, around `n_cases`."""
    frames, sources = [], {}
    for number, held in enumerate(subsets_held(list(federation.modalities), n_sites)):
        size = round(n_cases * (0.7 + 0.6 * number / max(n_sites - 1, 1)))
        folder = write_example_site(root, federation, number, size, held, permute_labels)
        site = open_site(folder, federation.task)
        header, *rows = rows_of(folder / "cases.csv", ",")
        labels = {row[header.index("case_id")]: row[header.index(federation.task.label)] for row in rows}
        frames.append(pd.DataFrame({"label": pd.Series(labels), "site": site.name}))
        sources[site.name] = dict(site.sources)
    return Cohort(pd.concat(frames).rename_axis("case_id"), sources)


def _without(modalities: Sequence[str], name: str) -> list[str]:
    return [other for other in modalities if other != name] or [name]
