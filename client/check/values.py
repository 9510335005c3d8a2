"""Checks of one modality's values that need no other site: absent features, and whether they can be true at all."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from client.check.twins import Told
from modalities.core.contract import Cases, Source
from modalities.core.files.tables.delimited import listing
from modalities.core.hooks import Plausibility, Plausible
from modalities.core.problems import Problem
from modalities.core.registry import plugin
from modalities.core.settings.training import BranchConfig
from modalities.core.site.store import SiteData

_MANY_ABSENT = 0.2
_MANY_TRAITS = 1000
"""So many columns tell one case from another as well as all would."""


def absent_values(file: str, read: Cases, config: BranchConfig) -> list[Problem]:
    """Agreed features without a value; nothing for a modality whose values are no table."""
    if not isinstance(read.values, np.ndarray) or not read.values.size:
        return []
    return _absent(file, np.asarray(read.values, dtype=np.float64), read, config)


def plausibility(file: str, source: Source, read: Cases, config: BranchConfig) -> Plausibility:
    """What the plug-in says of the values, its problems placed in the file; nothing where it says nothing."""
    module = plugin(config.kind)
    if not isinstance(module, Plausible):
        return Plausibility()
    said = module.plausibility(source, read, config)
    return replace(said, problems=[replace(problem, file=problem.file or file) for problem in said.problems])


def told(read: Cases, said: Plausibility) -> Told:
    """What tells the cases from each other: the plug-in's traits, or else the values of a table, column by column."""
    if said.traits or not isinstance(read.values, np.ndarray) or read.values.ndim != 2:
        return Told(read.case_ids, said.traits or [()] * len(read.case_ids))
    return Told(read.case_ids, [_traits(row) for row in np.asarray(read.values)[:, :_MANY_TRAITS]])


def _traits(row: np.ndarray) -> Sequence[Hashable | None]:
    return [value if np.isfinite(value) else None for value in row.tolist()]


def absent_features(data: SiteData) -> list[str]:
    """For the site's own log: which agreed features its files lack, a line for each modality that takes part."""
    found = []
    for name in data.modalities:
        read = data.cases(name)
        if isinstance(read.values, np.ndarray) and read.values.size:
            values = np.asarray(read.values, dtype=np.float64)
            found += _absent(name, values, read, data.federation.modalities[name])
    return [str(problem) for problem in found]


def _absent(file: str, values: np.ndarray, found: Cases, config: BranchConfig) -> list[Problem]:
    absent = [found.features[column] for column in np.flatnonzero(~np.isfinite(values).any(axis=0))]
    if not config.features or not absent:
        return []
    share = len(absent) / len(found.features)
    what = f"{len(absent)} of the {len(found.features)} agreed features ({share:.0%}) have no value: {listing(absent)}"
    remedy = "check their spelling, or map them under sources in site.yaml; what stays absent is imputed"
    level = "error" if share == 1 else "warning" if share >= _MANY_ABSENT else "note"
    return [Problem(what, remedy, file=file, level=level)]
