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
from modalities.core.files.rows import Rows, blocks_of


def sums_of_rows(values: Collection[np.ndarray | Rows]) -> Sums:
    """Over cases: their number, and by feature the sums of each case's mean and mean square; of no case, no feature.

    A case at a time is in memory, of rows on a disk a block.
    """
    moments = [_moments(case) for case in values] or [np.zeros((2, 0))]
    total, squares = np.sum(moments, axis=0)
    return {
        "cases": np.array([len(values)], dtype=np.float64),
        "n": np.full(total.shape, len(values), dtype=np.float64),
        "sum": total,
        "square": squares,
    }


def means_of_rows(values: Sequence[np.ndarray | Rows]) -> Float[np.ndarray, "case feature"]:
    """Each case's mean over its rows: a case as one vector, for models that know nothing else."""
    return np.stack([_moments(case)[0] for case in values]).astype(np.float32)


def _moments(case: np.ndarray | Rows) -> Float[np.ndarray, "2 feature"]:
    """The mean and the mean square of a case's rows."""
    sums = np.zeros((2, case.shape[1]))
    for block in blocks_of(case):
        exact = block.astype(np.float64)
        sums += exact.sum(axis=0), np.square(exact, out=exact).sum(axis=0)
    return sums / case.shape[0]


def finalise_rows(total: Sums) -> State:
    """Mean and inverse standard deviation of each feature over all rows, each case weighing the same."""
    state = finalise(total, TabularConfig())
    return {name: state[name] for name in ("mean", "inverse_scale")}


def scaled(rows: np.ndarray, state: State, clip: float) -> Float[Tensor, "row feature"]:
    """The rows of a case in standard deviations, cut to +-clip.

    Raises:
        ValueError: the rows have another number of features than the statistics.
    """
    refuse_other_width(rows.shape[1], len(state["mean"]))
    values = (rows - state["mean"]) * state["inverse_scale"]
    return torch.from_numpy(np.clip(values, -clip, clip).astype(np.float32))


def refuse_other_width(n_features: int, agreed: int) -> None:
    """Say that a case's features are not those of the study.

    Raises:
        ValueError: there are more or fewer than were agreed.
    """
    if n_features != agreed:
        raise ValueError(
            f"{n_features} features where the other cases of the study have {agreed}; "
            "use the backbone, and the feature files of the backbone, that federation.yaml names"
        )
