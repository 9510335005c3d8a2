"""Checks of one modality's values that need no other site: units, twins, absent features."""

import numpy as np
import pandas as pd

from modalities.core.contract import Cases
from modalities.core.files.delimited import listing
from modalities.core.problems import Problem, note, warning
from modalities.core.settings.training import BranchConfig
from modalities.core.site.store import SiteData

_ENOUGH_CASES = 20
_FAR_IQRS = 1000.0
_MOST_FAR = 0.1
_MANY_ABSENT = 0.2
_LARGEST_LOG2 = 10.0


def check_values(file: str, found: Cases, config: BranchConfig) -> list[Problem]:
    """What the numbers themselves say; nothing for a modality whose values are no table."""
    if not isinstance(found.values, np.ndarray) or not found.values.size:
        return []
    values = np.asarray(found.values, dtype=np.float64)
    checks = (
        *_absent(file, values, found, config),
        *_log2(file, values, getattr(config, "values", "")),
        *_calls(file, values, getattr(config, "values", "")),
        *_twins(file, values, found),
    )
    return [*checks, *(_scale(file, values, found) if config.kind == "table" else [])]


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


def _log2(file: str, values: np.ndarray, agreed: str) -> list[Problem]:
    known = values[np.isfinite(values)]
    if agreed != "log2" or not known.size:
        return []
    if np.isin(known, (-2, -1, 0, 1, 2)).all():
        what, remedy = "all values are whole numbers from -2 to 2, like GISTIC calls", "export the log2 ratios"
    elif known.min() >= 0 and np.median(known) >= 1:
        what = f"no value is below 0 and half are above {np.median(known):.2g}, like numbers of copies"
        remedy = "write log2(copies / 2)"
    elif (share := (np.abs(known) > _LARGEST_LOG2).mean()) > 0:
        what, remedy = f"{share:.1%} of the values are beyond +-{_LARGEST_LOG2:g}", "check that they are log2 ratios"
    else:
        return []
    return [warning(f"{what}; log2 ratios are agreed", remedy, file=file)]


def _calls(file: str, values: np.ndarray, agreed: str) -> list[Problem]:
    known = values[np.isfinite(values)]
    if agreed != "calls" or not known.size or known.any():
        return []
    return [warning("every call is 0: no gain and no loss in any case", "check the export", file=file)]


def _twins(file: str, values: np.ndarray, found: Cases) -> list[Problem]:
    """Cases of which all of many measured values are the same: one patient under two ids, or a row copied."""
    rows = [row for row in range(len(values)) if len(np.unique(values[row][np.isfinite(values[row])])) >= _ENOUGH_CASES]
    groups: dict[bytes, list[str]] = {}
    for row in rows:
        groups.setdefault(values[row].tobytes(), []).append(found.case_ids[row])
    twins = [" and ".join(group) for group in groups.values() if len(group) > 1]
    if not twins:
        return []
    what = f"cases with the very same values: {listing(twins)}"
    return [warning(what, "if they are one patient, keep one of them", file=file)]


def _scale(file: str, values: np.ndarray, found: Cases) -> list[Problem]:
    """A few values a thousand times further out than the rest are, as where a unit changes within a column."""
    frame = pd.DataFrame(values)
    low, middle, high = (frame.quantile(share).to_numpy() for share in (0.25, 0.5, 0.75))
    counts = np.isfinite(values).sum(axis=0)
    far = (np.abs(values - middle) > _FAR_IQRS * (high - low)).sum(axis=0)
    mixed = (counts >= _ENOUGH_CASES) & (high > low) & (far > 0) & (far <= _MOST_FAR * counts)
    odd = [f"{found.features[column]} ({far[column]})" for column in np.flatnonzero(mixed)]
    constant = [
        found.features[column]
        for column in np.flatnonzero(counts >= _ENOUGH_CASES)
        if len(np.unique(values[:, column][np.isfinite(values[:, column])])) == 1
    ]
    notes = []
    if odd:
        what = f"a few values are more than {_FAR_IQRS:g} times further out than the middle half: {listing(odd)}"
        notes.append(warning(what, "check that the whole column is in one unit", file=file))
    if constant:
        notes.append(note(f"columns that never vary here: {listing(constant)}", file=file))
    return notes
