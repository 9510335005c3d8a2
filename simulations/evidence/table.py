"""Looks into the long table of predictions: the columns are those of `simulations.scores.predictions.Predictions`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulations.scores.predictions import COMPLETE, FUSED

EVIDENCE_ARMS = ("federated", "centralised", "reference")


def complete_cases(predictions: pd.DataFrame, modalities: Sequence[str]) -> pd.Index:
    """The cases that hold every modality, by id."""
    holders = [set(predictions.loc[predictions["set"] == name, "case_id"]) for name in modalities]
    return pd.Index(sorted(set.intersection(*holders))) if holders else pd.Index([])


def rows_of(predictions: pd.DataFrame, arm: str, name: str, modalities: Sequence[str]) -> pd.DataFrame:
    """An arm's rows of a SET, by case_id, sorted; the complete cases are those of `fused` that hold everything."""
    stored = FUSED if name == COMPLETE else name
    own = predictions.loc[(predictions["arm"] == arm) & (predictions["set"] == stored)].set_index("case_id")
    return own.loc[complete_cases(predictions, modalities)] if name == COMPLETE and len(own) else own.sort_index()


def probabilities_of(rows: pd.DataFrame, n_classes: int) -> np.ndarray:
    """One row a case."""
    return rows[[f"p_{index}" for index in range(n_classes)]].to_numpy(float)
