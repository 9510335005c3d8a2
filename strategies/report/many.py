"""What many sites come to: a distribution in place of a line each, and the ends of it by name."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from strategies.report.section import LONG, Table
from strategies.report.words import Number, number

ENDS = 12
"""How many of the lowest, and of the highest, are shown by name."""
_QUANTILES = {"lowest": 0.0, "5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95, "highest": 1.0}
T = TypeVar("T")


def ends(in_order: Sequence[T]) -> dict[str, Sequence[T]]:
    """The first and the last of many, under what they are; all of them under an empty heading where they are few."""
    if len(in_order) <= LONG:
        return {"": in_order}
    return {f"lowest {ENDS} of {len(in_order):,}": in_order[:ENDS], f"highest {ENDS}": in_order[-ENDS:]}


def spread(values: Mapping[str, Iterable[Number]], caption: str, digits: int = 3) -> Table | None:
    """Quantiles over the sites, a row a name; None where each site can be shown by itself."""
    known = {name: np.array([one for one in each if one is not None], dtype=float) for name, each in values.items()}
    if not any(each.size > LONG for each in known.values()):
        return None
    rows = [
        (name, f"{each.size:,}", *(number(float(np.quantile(each, at)), digits) for at in _QUANTILES.values()))
        for name, each in known.items()
        if each.size
    ]
    return Table(("over sites", "sites", *_QUANTILES), tuple(rows), caption)
