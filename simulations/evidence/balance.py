"""Folds of whole sites: how even their classes came out, beside scikit-learn's way of making such folds."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from simulations.cohorts.preserved import deviation


def fold_balance(predictions: pd.DataFrame, classes: Sequence[str], n_folds: int, kept: Path) -> dict[str, Any]:
    """How the folds were found, and the balance of both ways; `kept` is what `preserved.kept_folds` wrote."""
    people = predictions.drop_duplicates("case_id")
    table = pd.crosstab(people["site"].astype(str), people["label"]).reindex(columns=range(len(classes)), fill_value=0)
    folds = json.loads(kept.read_text(encoding="utf-8"))
    ways = {"preserved": folds["sites"], "stratified_group_k_fold": folds["grouped"]}
    return {"how": folds["how"], **{name: balance(table, by_site, classes, n_folds) for name, by_site in ways.items()}}


def balance(
    table: pd.DataFrame, fold_of_site: Mapping[str, int], classes: Sequence[str], n_folds: int
) -> dict[str, Any]:
    """Cases by fold and class, sites by fold, and the deviation that preserved folds minimise; `table` is by site."""
    fold_of = pd.Series(fold_of_site)[list(table.index)].to_numpy(int)
    by_fold = {}
    for fold in range(1, n_folds + 1):
        counts = table[fold_of == fold].sum(axis=0)
        cases = {name: int(count) for name, count in zip(classes, counts, strict=True)}
        by_fold[str(fold)] = {"sites": int((fold_of == fold).sum()), "cases": cases}
    return {"folds": by_fold, "deviation": deviation(table.to_numpy(float), fold_of - 1, n_folds)}
