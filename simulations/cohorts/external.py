"""Whether an external cohort can be scored: what is known of its cases beside what is known of the training cases."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from modalities.core.blocks.tabular import TabularConfig
from modalities.core.files.delimited import listing
from modalities.core.problems import check
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation
from simulations.cohorts.cohort import Cohort


@dataclass(frozen=True)
class Known:
    """What a cohort's files of one modality know."""

    features: dict[str, None]
    """Those with a value in at least one case, in their order."""
    files: tuple[str, ...]


def compare_external(cohort: Cohort, external: Cohort, federation: Federation) -> list[str]:
    """A line for each table of which the external cohort lacks features that the training cases have.

    Raises:
        ValueError: it lacks all of them, so that every one of its cases would get the same score.
    """
    notes, problems = [], []
    for name, config in federation.modalities.items():
        if isinstance(config, TabularConfig) and any(name in sources for sources in external.sources.values()):
            here, there = _known(cohort, name, config), _known(external, name, config)
            lacking = [feature for feature in here.features if feature not in there.features]
            share = f"{len(lacking)} of the {len(here.features)} features that training cases have"
            if here.features and len(lacking) == len(here.features):
                problems.append(_nothing_shared(name, there, lacking))
            elif lacking:
                notes.append(f"{name}: the external cohort lacks {share}: {listing(lacking)}; they are imputed")
    check(problems)
    return notes


def _nothing_shared(name: str, there: Known, lacking: Collection[str]) -> str:
    only = f"; it has {listing(list(there.features))}, which no training case has" if there.features else ""
    return (
        f"external cohort, {name}: {listing(list(there.files))}: no value of any of the {len(lacking)} features that "
        f"training cases have ({listing(list(lacking))}){only}; give its columns those names, or leave {name} out"
    )


def _known(cohort: Cohort, name: str, config: TabularConfig) -> Known:
    features: dict[str, None] = {}
    files: dict[str, None] = {}
    for source in [sources[name] for sources in cohort.sources.values() if name in sources]:
        found = plugin(config.kind).read(source, config)
        known = np.isfinite(found.values).any(axis=0)
        features |= dict.fromkeys(feature for feature, has in zip(found.features, known, strict=True) if has)
        files |= dict.fromkeys(path.name for path in source.paths)
    return Known(features, tuple(files))
