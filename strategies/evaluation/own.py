"""What a site tells of its own cases in the clear, where its policy says `full`."""

from collections.abc import Mapping

import numpy as np

from strategies.evaluation.delong import aurocs, influences
from strategies.evaluation.gain import LEAST_POSITIVES
from strategies.evaluation.names import FEDERATED, GAIN, LOCAL, Arrays
from strategies.evaluation.tally import Labels, N, Probabilities

AUROC, VARIANCE, MACRO = "auroc", "variance", "macro"


def own_of(labels: Labels, probabilities: Mapping[str, Probabilities], min_cell: int) -> dict[str, Arrays]:
    """By model, and for `gain` where there are both, what its own cases say of it.

    - `n`, 1 number: cases; NaN, and nothing else told, if they are fewer than `min_cell`.
    - `auroc`, `variance` [class]: one against rest, and DeLong's variance; for `gain` federated minus local, paired.
      NaN for a class with fewer than LEAST_POSITIVES cases, or others.
    - `macro`, 2: the mean over the classes that are not NaN, and its variance.
    """
    known = {model: np.isfinite(own).all(axis=1) for model, own in probabilities.items()}
    told = {model: _of([own[known[model]]], labels[known[model]], min_cell) for model, own in probabilities.items()}
    if {FEDERATED, LOCAL} <= probabilities.keys():
        both = known[FEDERATED] & known[LOCAL]
        pair = [probabilities[model][both] for model in (FEDERATED, LOCAL)]
        told[GAIN] = _of(pair, labels[both], min_cell)
    return told


def no_own(n_classes: int) -> Arrays:
    """What is told of too few cases."""
    nothing = np.full(n_classes, np.nan)
    return {N: np.full(1, np.nan), AUROC: nothing, VARIANCE: nothing.copy(), MACRO: np.full(2, np.nan)}


def problem_of_own(arrays: Mapping[str, np.ndarray], template: Arrays, most_cases: float) -> str:
    """What is wrong with what a site told of its own cases; empty if nothing is."""
    if arrays.keys() != template.keys():
        return "its own results lack an array, or have one that nobody asked for"
    for name, array in arrays.items():
        if array.dtype != np.float64 or array.shape != template[name].shape:
            return f"{name} is {array.dtype}{list(array.shape)}, expected float64{list(template[name].shape)}"
        what = name.rpartition(".")[2]
        least = -1.0 if f".{GAIN}." in name and what != VARIANCE else 0.0
        most = most_cases if what == N else 1.0
        if ((array < least) | (array > most)).any():  # NaN, which says that there is nothing to tell, is neither
            return f"{name} outside {least:g} to {most:g}"
    return ""


def _of(models: list[Probabilities], labels: Labels, min_cell: int) -> Arrays:
    """Of one model, or of the first minus the second."""
    n_classes = models[0].shape[1]
    if len(labels) < max(min_cell, 1):
        return no_own(n_classes)
    values = [aurocs(own, labels, LEAST_POSITIVES) for own in models]
    spreads = [influences(own, labels, LEAST_POSITIVES) for own in models]
    value = values[0] - values[1] if len(models) > 1 else values[0]
    spread = spreads[0] - spreads[1] if len(models) > 1 else spreads[0]
    defined = np.isfinite(value)
    variance = np.where(defined, np.square(spread).sum(axis=0), np.nan)
    macro = np.full(2, np.nan)
    if defined.any():
        macro = np.array([value[defined].mean(), np.square(spread[:, defined].mean(axis=1)).sum()])
    return {N: np.array([float(len(labels))]), AUROC: value, VARIANCE: variance, MACRO: macro}
