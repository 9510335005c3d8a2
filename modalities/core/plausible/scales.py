"""A unit that changes within a table: rows, or values of a column, that stand a power of ten or more from the rest."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64

from modalities.core.files.tables.delimited import listing
from modalities.core.plausible.rules import some_of
from modalities.core.problems import Problem, note, warning

_ENOUGH_CASES = 20
_MISSING_CODES = tuple(float(str(digit) * n) for digit in (7, 8, 9) for n in range(1, 6))
"""9, 99 and so on, as surveys and registries write what is not known, refused or not asked; with a minus or without."""
_FAR_IQRS = 1000.0
_MOST_FAR = 0.1
_APART = 100.0
"""Times larger than all others: a column that is 0 in most cases has a middle half of no width."""
_ROW_GAP, _COLUMN_GAP = 1.2, 1.3
"""Powers of ten that nothing lies between. In sound tables rows stand .14 apart at most, and the parts of a column .3
(607 slide features of 673 cases, 6 heart measurements of 920)."""
_WIDEST_PART = 1.0
_LEAST_PART, _LEAST_IN_PART = 0.1, 5
_LEAST_COLUMNS, _MANY_VALUES = 3, 5
_REMEDY = "check that the whole column is in one unit, and how decimal points and commas were written"


def scale_problems(
    values: Float[np.ndarray, "case feature"], case_ids: Sequence[str], features: Sequence[str]
) -> list[Problem]:
    """Codes for missing; rows in another unit, or else columns with two units, or with a few values in another."""
    codes, values = _codes(values, case_ids, features)
    powers = _powers_of_ten(values)
    return codes + (_rows(powers, case_ids) or [*_parts(powers, case_ids, features), *_far(values, features)])


def constant_columns(values: Float[np.ndarray, "case feature"], features: Sequence[str]) -> list[Problem]:
    """A note of the columns that never vary, where there are cases enough to expect it."""
    n_known = np.isfinite(values).sum(axis=0)
    constant = [
        name
        for name, column, n in zip(features, values.T, n_known, strict=True)
        if n >= _ENOUGH_CASES and len(np.unique(column[np.isfinite(column)])) == 1
    ]
    return [note(f"columns that never vary here: {listing(constant)}")] if constant else []


def _codes(
    values: Float[np.ndarray, "case feature"], case_ids: Sequence[str], features: Sequence[str]
) -> tuple[list[Problem], Float64[np.ndarray, "case feature"]]:
    """Numbers such as 99 or -999 that several cases have, far from all others; and the values without them."""
    values, odd = np.array(values, dtype=np.float64), []
    for column, name in zip(values.T, features, strict=True):
        is_code = np.isin(np.abs(column), _MISSING_CODES)
        others = column[np.isfinite(column) & ~is_code]
        if len(others) < _LEAST_IN_PART or not is_code.any():
            continue
        width = others.max() - others.min()
        is_far = is_code & ((column > others.max() + width) | (column < others.min() - width))
        for code in [code for code in np.unique(column[is_far]) if (column == code).sum() > 1]:
            cases = np.flatnonzero(column == code)
            odd.append(f"{code:g} of {name} ({len(cases)} cases, such as {case_ids[cases[0]]})")
            column[cases] = np.nan
    what = f"values that stand far from all others of their column: {listing(odd)}: codes for missing"
    return [warning(what, "leave these cells empty, or delete the code in the export")] if odd else [], values


def _powers_of_ten(values: Float[np.ndarray, "case feature"]) -> Float64[np.ndarray, "case feature"]:
    """The decimal logarithm of each value's size; NaN for 0 and for what is missing."""
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    return np.log10(np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.nan))


def _rows(powers: Float64[np.ndarray, "case feature"], case_ids: Sequence[str]) -> list[Problem]:
    """Rows whose values are, in the median over the columns, many times larger or smaller than the other rows'."""
    measured = [
        column
        for column in powers.T
        if len(np.unique(column[np.isfinite(column)])) > min(_MANY_VALUES, len(column) / 2)
    ]
    if len(measured) < _LEAST_COLUMNS:
        return []
    columns = np.stack(measured, axis=1)
    known = np.isfinite(columns)
    rows = np.flatnonzero(known.sum(axis=1) >= _LEAST_COLUMNS)
    centred = columns[rows] - [np.median(column[np.isfinite(column)]) for column in measured]
    size = np.array([np.median(row[np.isfinite(row)]) for row in centred])
    cut = _gap(size, _ROW_GAP)
    if cut is None:
        return []
    larger = size > cut
    is_fewer_larger = larger.sum() * 2 <= len(rows)
    odd: list[int] = rows[larger if is_fewer_larger else ~larger].tolist()
    ratio = 10 ** round(abs(np.median(size[larger]) - np.median(size[~larger])))
    side = "larger" if is_fewer_larger else "smaller"
    named = some_of([case_ids[row] for row in odd])
    what = (
        f"the values of {len(odd)} of {len(rows)} cases are about {ratio:,} times {side} than those of the others "
        f"({named}), all columns together: two units, or decimal points and commas mixed up"
    )
    return [warning(what, "bring all rows to one unit")]


def _parts(
    powers: Float64[np.ndarray, "case feature"], case_ids: Sequence[str], features: Sequence[str]
) -> list[Problem]:
    """Columns that fall into two narrow groups far apart, and nothing else between them."""
    odd = []
    for column, name in zip(powers.T, features, strict=True):
        known = np.flatnonzero(np.isfinite(column))
        cut = _gap(column[known], _COLUMN_GAP) if len(known) >= _ENOUGH_CASES else None
        if cut is None:
            continue
        larger, smaller = known[column[known] > cut], known[column[known] <= cut]
        fewer = min(larger, smaller, key=len)
        widths = [np.subtract(*np.quantile(column[part], (0.9, 0.1))) for part in (larger, smaller)]
        if len(fewer) >= max(_LEAST_IN_PART, _LEAST_PART * len(known)) and max(widths) <= _WIDEST_PART:
            odd.append(f"{name} ({len(fewer)} of {len(known)} cases, such as {case_ids[fewer[0]]})")
    if not odd:
        return []
    what = f"columns in two groups of values, a factor of {10**_COLUMN_GAP:.0f} or more apart: {listing(odd)}"
    return [warning(f"{what}: two units in one column", _REMEDY)]


def _far(values: Float[np.ndarray, "case feature"], features: Sequence[str]) -> list[Problem]:
    """A few values a thousand times further out than the middle half is wide, with nothing near them."""
    values = np.asarray(values, dtype=np.float64)
    odd = []
    for column, name in zip(values.T, features, strict=True):
        known = column[np.isfinite(column)]
        if len(known) < _ENOUGH_CASES:
            continue
        low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
        is_far = np.abs(known - middle) > _FAR_IQRS * (high - low)
        n_far, sizes = int(is_far.sum()), np.abs(known)
        is_apart = 0 < n_far <= _MOST_FAR * len(known) and sizes[is_far].min() > _APART * sizes[~is_far].max()
        if high > low and is_apart:
            odd.append(f"{name} ({n_far})")
    what = f"a few values are more than {_FAR_IQRS:g} times further out than the middle half: {listing(odd)}"
    return [warning(what, "check that the whole column is in one unit")] if odd else []


def _gap(numbers: Float64[np.ndarray, " number"], least: float) -> float | None:
    """The middle of the widest gap between neighbours, if it is at least so wide."""
    if len(numbers) < 2:
        return None
    ordered = np.sort(numbers)
    widths = np.diff(ordered)
    at = int(widths.argmax())
    return float(ordered[at] + widths[at] / 2) if widths[at] >= least else None
