"""What the evaluation phase of a fold's federated study gathered, kept beside the predictions as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from server.state.study import StudyState
from strategies.evaluation.names import FEDERATED, TEST, Arrays
from strategies.statistics import add_sums


@dataclass(frozen=True)
class Gathered:
    """Of one fold, or of all of them."""

    sums: Arrays
    """The tallies of the federated model on test cases, by the names that they travel under."""
    class_counts: np.ndarray
    """Training cases by class."""
    external: list[str]
    """The sites that only evaluated."""


def gathered(study: StudyState) -> dict[str, Any]:
    """What a study between hospitals would know of its model on test cases; empty if it was not evaluated."""
    own, ours = study.evaluation, f"{TEST}.{FEDERATED}."
    if not own.done:
        return {}
    sums = {name: array.tolist() for name, array in own.sums.items() if name.startswith(ours)}
    return {"sums": sums, "class_counts": list(study.class_counts), "external": list(own.external)}


def over_folds(folds: Sequence[Mapping[str, Any]]) -> Gathered | None:
    """All folds together: a case is a test case of one fold only, so that tallies add up to those out of fold.

    None where a fold was not evaluated.
    """
    if not folds or not all(folds):
        return None
    sums, _ = add_sums([("", {name: np.array(own) for name, own in fold["sums"].items()}) for fold in folds], TEST)
    counts = np.sum([fold["class_counts"] for fold in folds], axis=0)
    return Gathered(sums, counts, sorted({site for fold in folds for site in fold["external"]}))
