"""Do the branches err on the same cases? Where they do not, fusing them can help."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from simulations.evidence.table import EVIDENCE_ARMS, complete_cases, probabilities_of, rows_of
from simulations.scores.metrics import MIN_CASES, number
from simulations.scores.predictions import FUSED

Wrong = Bool[np.ndarray, "case branch"]


def error_correlation(predictions: pd.DataFrame, modalities: Sequence[str], n_classes: int) -> dict[str, Any]:
    """By arm, on the complete cases: how branches err together, two by two; arms without every branch are left out."""
    cases = complete_cases(predictions, modalities)
    found = {}
    for arm in EVIDENCE_ARMS:
        tables = [rows_of(predictions, arm, name, modalities) for name in (*modalities, FUSED)]
        if len(modalities) > 1 and len(cases) >= MIN_CASES and all(cases.isin(table.index).all() for table in tables):
            wrong = np.column_stack([_wrong(table.loc[cases], n_classes) for table in tables])
            found[arm] = {"modalities": list(modalities), **summary_of(wrong[:, :-1], wrong[:, -1])}
    return found


def summary_of(wrong: Wrong, fused_wrong: Bool[np.ndarray, " case"]) -> dict[str, Any]:
    """Phi and double faults of each pair of branches, and how often one, all, and the fused model are wrong."""
    all_wrong, any_wrong = wrong.all(axis=1), wrong.any(axis=1)
    split = any_wrong & ~all_wrong
    return {
        "n": len(wrong),
        "wrong": wrong.mean(axis=0).tolist(),
        "fused_wrong": float(fused_wrong.mean()),
        "all_wrong": float(all_wrong.mean()),
        "split": float(split.mean()),
        "split_fused_right": number(float((~fused_wrong[split]).mean())) if split.any() else None,
        "phi": [[number(value) for value in row] for row in phi(wrong)],
        "both_wrong": (wrong.T.astype(float) @ wrong / len(wrong)).tolist(),
    }


def phi(wrong: Wrong) -> Float[np.ndarray, "branch branch"]:
    """Pearson's correlation of two 0-1 variables: (p_ab - p_a p_b) / sqrt(p_a (1 - p_a) p_b (1 - p_b)).

    0: errors fall independently; 1: on the same cases. NaN for a branch that is always or never wrong.
    """
    share = wrong.mean(axis=0)
    together = wrong.T.astype(float) @ wrong / len(wrong) - np.outer(share, share)
    spread = np.sqrt(share * (1 - share))
    scale = np.outer(spread, spread)
    return np.divide(together, scale, out=np.full(scale.shape, np.nan), where=scale > 0)


def _wrong(rows: pd.DataFrame, n_classes: int) -> Bool[np.ndarray, " case"]:
    return probabilities_of(rows, n_classes).argmax(axis=1) != rows["label"].to_numpy(int)
