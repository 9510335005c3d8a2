"""predictions.csv.gz: the long table of predictions as people read it, with classes by their names."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

STUDY, EXTERNAL = "study", "external"


def named(predictions: pd.DataFrame, classes: Sequence[str], external: pd.DataFrame | None = None) -> pd.DataFrame:
    """Every prediction, those of an external cohort last: `label` and `predicted` are classes, `p_CLASS` probabilities.

    `cohort` is `study` or `external`; the external cases were scored by models of no fold, and theirs is 0.
    """
    parts = [(STUDY, predictions)] + ([(EXTERNAL, external.assign(fold=0))] if external is not None else [])
    return pd.concat([_named(own, classes).assign(cohort=cohort) for cohort, own in parts], ignore_index=True)


def numbered(table: pd.DataFrame, classes: Sequence[str], cohort: str = STUDY) -> pd.DataFrame:
    """The predictions of one cohort as the scores take them again: `label` a class index, p_0, p_1, ..."""
    own = table[table["cohort"] == cohort].drop(columns=["cohort", "predicted"])
    place = {name: index for index, name in enumerate(classes)}
    numbers = {f"p_{name}": f"p_{index}" for name, index in place.items()}
    return own.assign(label=own["label"].map(place)).rename(columns=numbers).reset_index(drop=True)


def _named(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    numbers, called = [f"p_{index}" for index in range(len(classes))], np.array(classes)
    best = predictions[numbers].to_numpy(float).argmax(axis=1)
    told = predictions.assign(label=called[predictions["label"].to_numpy(int)])
    told.insert(list(told.columns).index("label") + 1, "predicted", called[best])
    return told.rename(columns={number: f"p_{name}" for number, name in zip(numbers, classes, strict=True)})
