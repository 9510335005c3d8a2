"""Outer folds: which cases are tested when."""

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from modalities.core.seeds import seed_of


def outer_folds(labels: pd.Series, sites: pd.Series, cv: str, n_folds: int, seed: int) -> pd.Series:
    """The fold, 1 to n_folds, in which each case is tested.

    `random` stratifies by class; `sites` holds whole sites out, as even in class as their sizes allow.

    Raises:
        ValueError: there are fewer sites than folds, or a class has fewer cases than folds.
    """
    check_folds(labels, sites, n_folds, whole_sites=cv == "sites")
    state = seed_of(seed, "outer folds", cv) % 2**32
    make = StratifiedGroupKFold if cv == "sites" else StratifiedKFold
    splitter = make(n_splits=n_folds, shuffle=True, random_state=state)
    groups = sites if cv == "sites" else None
    fold = pd.Series(0, index=labels.index)
    for number, (_, test) in enumerate(splitter.split(np.zeros(len(labels)), labels, groups), start=1):
        fold.iloc[test] = number
    return fold


def check_folds(labels: pd.Series, sites: pd.Series, n_folds: int, whole_sites: bool) -> None:
    """Refuse more folds than the cases allow."""
    rarest = labels.value_counts().min()
    if rarest < n_folds:
        raise ValueError(f"{n_folds} folds need as many cases of every class, the rarest has {rarest}; lower --folds")
    if whole_sites and sites.nunique() < n_folds:
        raise ValueError(f"{n_folds} folds of whole sites need as many sites, there are {sites.nunique()}")
