"""Positions that fit both assemblies and are said to be of one: where chromosomes end tells when it was the other."""

from collections.abc import Mapping, Sequence

import numpy as np

from modalities.cnv.genome import ASSEMBLIES, AUTOSOMES, Assembly, assembly
from modalities.cnv.segments.build import SETTING
from modalities.cnv.segments.profile import Profile
from modalities.core.problems import Problem, warning

_ENOUGH = 15
"""Chromosomes with segments."""
_BETTER = 2.0
"""The last segments must lie so many times more evenly before the other assembly's ends. The GDC's arrays lie 2.4 times
more evenly before hg38's, which they are of, than before hg19's; those of a panel of genes before neither."""


def misplaced(profiles: Sequence[Profile]) -> list[Problem]:
    """A warning where the chromosomes' last segments go with the ends of another assembly than the files are of."""
    found = []
    for name in ASSEMBLIES:
        own = [profile for profile in profiles if profile.genome.name == name]
        last = _last_ends(own)
        others = [assembly(other) for other in ASSEMBLIES if other != name]
        if len(last) >= _ENOUGH:
            found += [_problem(own, name, other) for other in others if _fits_better(last, assembly(name), other)]
    return found


def _problem(profiles: Sequence[Profile], said: str, other: Assembly) -> Problem:
    what = (
        f"the segments of {len(profiles)} samples are said to be of {said}, and their chromosomes end where those of "
        f"{other.name} do: positions of {other.name} would be put on the wrong arms and genes"
    )
    remedy = f"see which genome the pipeline used, and say so under {SETTING} in site.yaml or in the files' names"
    return warning(what, remedy, file=profiles[0].path.parent.name)


def _last_ends(profiles: Sequence[Profile]) -> dict[str, int]:
    """The last base of any segment, by autosome."""
    last: dict[str, int] = {}
    for profile in profiles:
        names = np.asarray(profile.chromosomes)
        for name in set(profile.chromosomes) & set(AUTOSOMES):
            last[name] = max(last.get(name, 0), int(profile.ends[names == name].max()))
    return last


def _fits_better(last: Mapping[str, int], said: Assembly, other: Assembly) -> bool:
    """Whether the distances to the ends, or the shares of the chromosomes that lie before them, are more alike."""
    ends = np.array(list(last.values()), dtype=np.float64)
    lengths = [np.array([one.lengths[name] for name in last], dtype=np.float64) for one in (said, other)]
    distances = [_unevenness(length - ends) for length in lengths]
    shares = [_unevenness(ends / length) for length in lengths]
    return any(here > _BETTER * there for here, there in (distances, shares))


def _unevenness(values: np.ndarray) -> float:
    """The median distance from the median."""
    return float(np.median(np.abs(values - np.median(values))))
