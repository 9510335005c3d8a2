"""Which cases and models an evaluation is of, and the names that its arrays travel under.

An array is named `<cases>.<model>.<set>.<what>`, such as `test.federated.fused.positives`.
"""

from collections.abc import Iterable, Mapping
from itertools import product

import numpy as np

Arrays = dict[str, np.ndarray]
"""By name."""
TEST, TRAINING = "test", "training"
"""The cases that `split` keeps from training; and the training cases, each as the copies say that never saw it."""
CASES = (TEST, TRAINING)
FEDERATED, LOCAL, PRIOR = "federated", "local", "prior"
"""The study's model; what each site trained on its own cases alone; the study's shares of the classes."""
SENT = (FEDERATED, LOCAL)
"""The models that sites tell of: what the prior would score follows from the cases of each class."""
GAIN = "gain"
"""Stands where a model does: federated minus local, case by case, at the sites that have both."""
FUSED, COMPLETE = "fused", "fused_complete"
"""The cases with at least one modality, and those with all of the study's; every other SET is a modality's cases."""
COUNTS = "cases"
"""The name of an array with the cases by class."""
Named = Mapping[tuple[str, str, str], Arrays]
"""Cases, model (or `gain`) and SET -> arrays by name."""


def sets_of(modalities: Iterable[str]) -> list[str]:
    """The SETs of a study of these modalities."""
    return [*modalities, FUSED, COMPLETE]


def every(modalities: Iterable[str], models: Iterable[str]) -> list[tuple[str, str, str]]:
    """All combinations of cases, model and SET."""
    return list(product(CASES, models, sets_of(modalities)))


def joined(named: Named) -> Arrays:
    """The arrays under the names that they travel under."""
    return {".".join((*place, name)): array for place, arrays in named.items() for name, array in arrays.items()}


def parted(arrays: Mapping[str, object]) -> dict[tuple[str, str, str], dict]:
    """The inverse of `joined`."""
    named: dict[tuple[str, str, str], dict] = {}
    for key, array in arrays.items():
        cases, model, of, name = key.split(".", 3)
        named.setdefault((cases, model, of), {})[name] = array
    return named
