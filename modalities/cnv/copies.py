"""Copies of a gene or segment against the tumour's own ploidy, as calls or log2 ratios.

A tumour's ploidy is its most frequent copy number on the autosomes, the higher of two: the baseline that the GDC takes
for its categories of change. So a doubled genome without further change is no gain. The categories are the calls:

    -2: 0 copies.  -1: fewer than the ploidy.  0: the ploidy.  1: more.  2: at least twice the ploidy.

A log2 ratio is log2(copies / ploidy); no copy counts as half a one, since 0 has no logarithm.

Source: https://gdc.cancer.gov/how-are-five-categories-copy-number-changes-determined
"""

from typing import Any

import numpy as np
from jaxtyping import Float

NO_COPY = 0.5
"""What no copy counts as in a ratio."""
NO_COPY_LOG2 = -2.0
"""Its log2 ratio to two copies, where a file tells no ploidy."""


def most_frequent(copies: Float[np.ndarray, " place"], weights: Float[np.ndarray, " place"] | None = None) -> float:
    """The copy number of most places, or of most weight; of two as frequent, the higher."""
    known, which = np.unique(np.round(copies), return_inverse=True)
    counts = np.bincount(which, weights=weights)
    return float(known[counts == counts.max()].max())


def relative(copies: Float[np.ndarray, " place"], ploidy: float, values: str) -> Float[np.ndarray, " place"]:
    """The copies as `log2` ratios or `calls`; NaN where they are."""
    if values == "log2":
        return np.log2(np.maximum(copies, NO_COPY) / ploidy)
    whole: Any = np.round(copies)
    calls = np.sign(whole - ploidy) - (whole == 0) + (whole >= 2 * ploidy)
    return np.where(np.isnan(copies), np.nan, calls)
