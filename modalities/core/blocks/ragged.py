"""What modalities of many rows a case share, such as tiles or nodes: statistics over sites, and scaling.

A case counts as one however many rows it has: a slide of 10,000 tiles neither outweighs the others nor shows in the
sums that leave the site.
"""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core.blocks.tabular import TabularConfig, finalise
from modalities.core.contract import State, Sums


def sums_of_rows(values: Collection[np.ndarray]) -> Sums:
    """Over cases: their number, and by feature the sums of each case's mean and mean square; of no case, no feature."""
    rows = [case.astype(np.float64) for case in values] or [np.zeros((1, 0))]
    total = np.sum([case.mean(axis=0) for case in rows], axis=0)
    squares = np.sum([np.square(case).mean(axis=0) for case in rows], axis=0)
    return {
        "cases": np.array([len(values)], dtype=np.float64),
        "n": np.full(total.shape, len(values), dtype=np.float64),
        "sum": total,
        "square": squares,
    }


def means_of_rows(values: Sequence[np.ndarray]) -> Float[np.ndarray, "case feature"]:
    """Each case's mean over its rows: a case as one vector, for models that know nothing else."""
    return np.stack([case.mean(axis=0, dtype=np.float64) for case in values]).astype(np.float32)


def finalise_rows(total: Sums) -> State:
    """Mean and inverse standard deviation of each feature over all rows, each case weighing the same."""
    state = finalise(total, TabularConfig())
    return {name: state[name] for name in ("mean", "inverse_scale")}


def scaled(rows: np.ndarray, state: State, clip: float) -> Float[Tensor, "row feature"]:
    """The rows of a case in standard deviations, cut to +-clip.

    Raises:
        ValueError: the rows have another number of features than the statistics.
    """
    if rows.shape[1] != len(state["mean"]):
        raise ValueError(
            f"{rows.shape[1]} features where the other cases of the study have {len(state['mean'])}; "
            "use the backbone, and the feature files of the backbone, that federation.yaml names"
        )
    values = (rows - state["mean"]) * state["inverse_scale"]
    return torch.from_numpy(np.clip(values, -clip, clip).astype(np.float32))
