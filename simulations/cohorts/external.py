"""Whether an external cohort can be scored: what is known of its cases beside what is known of the training cases."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from modalities.core.blocks.tabular import TabularConfig
from modalities.core.files.tables.delimited import listing
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


@dataclass(frozen=True)
class Lack:
    """What an external cohort lacks of a modality."""

    features: tuple[str, ...] = ()
    """Those that training cases have and no external case does."""
    of: int = 0
    """How many the training cases have."""
    held: bool = True
    """Whether any external site has files of it."""

    @property
    def plain(self) -> dict[str, Any]:
        """As results.json has it."""
        return {"held": self.held, "features": list(self.features), "of": self.of}


def compare_external(cohort: Cohort, external: Cohort, federation: Federation) -> dict[str, Lack]:
    """By modality, what the external cohort lacks of what the training cases have; nothing for one that lacks nothing.

    Raises:
        ValueError: it lacks all of them, so that every one of its cases would get the same score.
    """
    lacks: dict[str, Lack] = {}
    problems = []
    for name, config in federation.modalities.items():
        if not any(name in sources for sources in external.sources.values()):
            lacks[name] = Lack(held=False)
        elif isinstance(config, TabularConfig):
            here, there = _known(cohort, name, config), _known(external, name, config)
            lacking = [feature for feature in here.features if feature not in there.features]
            if here.features and len(lacking) == len(here.features):
                problems.append(_nothing_shared(name, there, lacking))
            elif lacking:
                lacks[name] = Lack(tuple(lacking), len(here.features))
    check(problems)
    return lacks


def notes_of_lacks(lacks: Mapping[str, Lack]) -> list[str]:
    """A line for each modality of which the external cohort lacks something."""
    return [
        f"{name}: the external cohort lacks {len(lack.features)} of the {lack.of} features that training cases have: "
        f"{listing(list(lack.features))}; they are imputed"
        if lack.held
        else f"{name}: no external site holds it"
        for name, lack in lacks.items()
    ]


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
