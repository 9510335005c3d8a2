"""What a check says beside its problems, as plain values: for the terminal, for `--json` and for the page."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from modalities.core.hooks import Quantity, RawFile
from modalities.core.settings.task import Task
from modalities.core.site.cases import NO_LABEL


@dataclass(frozen=True)
class CaseFacts:
    """One case of cases.csv."""

    case_id: str
    label: str
    """As the study calls the class; empty for none."""
    split: str
    holds: tuple[str, ...]
    """The modalities whose files have a value of it."""


@dataclass(frozen=True)
class QuantityFacts:
    """How a quantity lies over the cases that have it."""

    name: str
    unit: str
    cases: int
    """With a value."""
    low: float | None
    high: float | None
    """Between which it is plausible; None: no limit."""
    outside: int
    """Cases beyond them."""
    smallest: float
    first_quartile: float
    median: float
    third_quartile: float
    largest: float


@dataclass(frozen=True)
class FileFacts:
    """What became of one of many raw files, as slides are."""

    name: str
    case_id: str
    state: str
    reason: str


def of_cases(cases: pd.DataFrame, held: Mapping[str, Collection[str]], task: Task) -> list[CaseFacts]:
    """Every case of the list, and which modalities hold it (modality -> case ids)."""
    sets = {name: set(case_ids) for name, case_ids in held.items()}
    return [
        CaseFacts(
            str(case_id),
            "" if label == NO_LABEL else task.classes[label],
            split,
            tuple(name for name, case_ids in sets.items() if case_id in case_ids),
        )
        for case_id, label, split in zip(cases.index, cases["label"], cases["split"], strict=True)
    ]


def of_quantities(quantities: Iterable[Quantity]) -> list[QuantityFacts]:
    """Those that any case has."""
    facts = []
    for quantity in quantities:
        known = quantity.values[np.isfinite(quantity.values)]
        if not known.size:
            continue
        low, high = (float(limit) if np.isfinite(limit) else None for limit in (quantity.low, quantity.high))
        outside = int(((known < quantity.low) | (known > quantity.high)).sum())
        first, lower, middle, upper, last = (float(value) for value in np.quantile(known, (0, 0.25, 0.5, 0.75, 1)))
        about = (quantity.name, quantity.unit, int(known.size), low, high, outside)
        facts.append(QuantityFacts(*about, first, lower, middle, upper, last))
    return facts


def of_files(files: Iterable[RawFile]) -> list[FileFacts]:
    """Each, without its picture."""
    return [FileFacts(file.name, file.case_id, file.state, file.reason) for file in files]


def by_holdings(cases: Sequence[CaseFacts]) -> list[tuple[tuple[str, ...], int]]:
    """How many cases hold the same modalities, the commonest first."""
    return Counter(case.holds for case in cases).most_common()
