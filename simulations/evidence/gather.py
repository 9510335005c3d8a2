"""Every piece of evidence of an experiment, as keys of results.json."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from modalities.core.settings.federation import Federation
from simulations.arms.arms import Fold
from simulations.evidence.calibration import calibration
from simulations.evidence.conformal import coverage
from simulations.evidence.errors import error_correlation
from simulations.evidence.from_sums import evaluation
from simulations.evidence.probe import site_probe


def evidence(
    predictions: pd.DataFrame,
    details: Mapping[str, Sequence[Mapping[str, Any]]],
    folds: Sequence[Fold],
    federation: Federation,
) -> dict[str, Any]:
    """`predictions` and `details` are what `simulations.arms.sweep.gather` gives; an empty piece has no section."""
    names, classes = list(federation.modalities), list(federation.task.classes)
    return {
        "calibration": calibration(predictions, details, names, len(classes)),
        "conformal": coverage(predictions, details, names, classes),
        "error_correlation": error_correlation(predictions, names, len(classes)),
        "site_probe": site_probe(folds, federation),
        "evaluation": found.to_plain() if (found := evaluation(predictions, details, federation)) else {},
    }
