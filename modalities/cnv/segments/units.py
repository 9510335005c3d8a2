"""The units of segments: what a file says in them, and what is made of it.

A ratio is what was measured, so it comes before copies, which a program fitted to it, where log2 ratios are wanted.
Calls are never made of ratios: where gain begins depends on purity, which the file does not tell.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from modalities.cnv.copies import NO_COPY_LOG2, most_frequent, relative
from modalities.cnv.segments.layouts import UNSAID
from modalities.cnv.segments.profile import CALLS, COPIES, LOG2, RATIO, UNITS, Profile
from modalities.core.files.tables.delimited import listing
from modalities.core.problems import unusable

SETTING = "sources.cnv.units"
MIN_COVERED = 0.5
"""A tumour's ploidy is known where segments with copies cover this share of the autosomes."""
_USABLE = {LOG2: (LOG2, RATIO, COPIES), CALLS: (CALLS, COPIES)}
"""What is wanted -> the units it can be made of, best first."""
_RANGES = {RATIO: (0.0, np.inf), COPIES: (0.0, np.inf), CALLS: (-2.0, 2.0)}


def known_units(
    path: Path, values: Mapping[str, Float[np.ndarray, " row"]], setting: str, named: str, *, is_whole: bool = False
) -> dict[str, Float[np.ndarray, " row"]]:
    """The values by unit, where the file or site.yaml says it; and held against the unit's range.

    With `is_whole`, copies are whole numbers. `named` are the columns, for messages.

    Raises:
        ValueError: neither says the unit of any column, both say it differently, or values lie outside its range.
    """
    if setting not in ("", *UNITS):
        raise unusable(f"{SETTING}: no unit {setting!r}", f"known: {', '.join(UNITS)}")
    known = {unit: column for unit, column in values.items() if unit != UNSAID}
    if not known and not setting:
        raise unusable(
            f"column {named} does not say its unit",
            "say `units: log2`, `ratio`, `copies` or `calls` under sources.cnv in site.yaml",
            file=path.name,
        )
    if UNSAID in values and setting:
        known = {setting: values[UNSAID]}
    elif setting and setting not in known:
        held = " and ".join(known)
        remedy = f"take `units` out of sources.cnv in site.yaml, or say {held}"
        raise unusable(f"its column {named} is {held}, site.yaml says units: {setting}", remedy, file=path.name)
    for unit, column in known.items():
        _refuse_outside(path, unit, column, is_whole=is_whole or unit == CALLS)
    return known


def in_unit(profile: Profile, wanted: str) -> Float[np.ndarray, " segment"]:
    """The values as `log2` ratios or `calls`.

    Raises:
        ValueError: the file holds nothing that they can be made of.
    """
    unit = next((unit for unit in _USABLE[wanted] if unit in profile.values), None)
    if unit is None:
        held = " and ".join(profile.values)
        other = "log2" if wanted == CALLS else "calls"
        raise unusable(
            f"it holds {held}, of which no {wanted} can be made",
            f"give a file of {' or '.join(_USABLE[wanted])}, or let the study take {other}",
            file=profile.path.name,
        )
    values = profile.values[unit]
    if unit == RATIO:
        return np.log2(np.maximum(values, 2**NO_COPY_LOG2))
    return relative(values, _ploidy(profile, values), wanted) if unit == COPIES else values


def _ploidy(profile: Profile, copies: Float[np.ndarray, " segment"]) -> float:
    """The copy number of most bases of the autosomes."""
    bases = np.where(np.isfinite(copies), profile.autosomal_bases, 0)
    share = bases.sum() / sum(length for name, length in profile.genome.lengths.items() if name.isdecimal())
    if share < MIN_COVERED:
        raise unusable(
            f"its segments cover {share:.0%} of the autosomes, too little to know the tumour's ploidy",
            "export the segments without change too (DRAGEN: --cnv-enable-ref-calls true)",
            file=profile.path.name,
        )
    ploidy = most_frequent(copies[bases > 0], bases[bases > 0])
    if ploidy == 0:
        raise unusable("most of the genome has no copy, so there is no ploidy", file=profile.path.name)
    return ploidy


def _refuse_outside(path: Path, unit: str, column: Float[np.ndarray, " row"], *, is_whole: bool) -> None:
    low, high = _RANGES.get(unit, (-np.inf, np.inf))
    known = column[np.isfinite(column)]
    is_wrong = (known < low) | (known > high)
    if is_whole and unit in (COPIES, CALLS):
        is_wrong |= known != np.round(known)
    wrong = [f"{value:g}" for value in known[is_wrong]]
    if wrong:
        what = f"{len(wrong)} values are no {unit} ({listing(wrong)})"
        raise unusable(what, f"is the unit another? say it in {SETTING}", file=path.name)
