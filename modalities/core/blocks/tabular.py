"""What every modality of one numeric vector a case shares: statistics over sites, scaling, batches, encoder."""

from collections.abc import Sequence
from dataclasses import field, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from modalities.core.blocks.networks import SelfNormalisingNetwork
from modalities.core.contract import Cases, State, Sums
from modalities.core.fields import Positive, ShareBelowOne, Widths, settings
from modalities.core.settings.training import BranchConfig


@settings
class TabularConfig(BranchConfig):
    """Settings of a branch on one vector a case."""

    hidden: Widths = field(default_factory=list)
    """Widths of the hidden SELU layers; none makes the branch linear, which n < 1000 cases often favour."""
    dropout: ShareBelowOne = 0.0
    """Alpha-dropout after every hidden layer."""
    input_dropout: ShareBelowOne = 0.0
    """Share of the features zeroed at every training step."""
    clip: Positive = 4.0
    """Scaled values are cut to +-clip standard deviations, so that one unit mix-up cannot rule a site."""


def sums(cases: Cases, config: TabularConfig) -> Sums:
    """Per feature: how many cases have it, the sum and the sum of squares; and the number of cases."""
    values = np.asarray(cases.values, dtype=np.float64)
    present = np.isfinite(values)
    known = np.where(present, values, 0.0)
    return {
        "cases": np.array([len(values)], dtype=np.float64),
        "n": present.sum(axis=0, dtype=np.float64),
        "sum": known.sum(axis=0),
        "square": np.square(known).sum(axis=0),
    }


def finalise(total: Sums, config: TabularConfig) -> State:
    """Mean and inverse standard deviation of each feature, and which features are missing somewhere.

    A feature that never varies, or that nobody has, gets the inverse 0: it is scaled to 0 and weighs nothing.
    """
    n = np.maximum(total["n"], 1.0)
    mean = total["sum"] / n
    variance = np.maximum(total["square"] / n - np.square(mean), 0.0)
    varies = variance > 1e-8 * np.maximum(np.square(mean), 1e-12)
    inverse = np.where(varies, 1.0 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    sometimes_missing = (total["n"] < total["cases"]) & (total["n"] > 0)
    return {"mean": mean, "inverse_scale": inverse, "flagged": np.flatnonzero(sometimes_missing).astype(np.int64)}


def public_scale(centre: np.ndarray, spread: np.ndarray) -> State:
    """The state of known centres and spreads; no flag, since which features are missing is what cases tell."""
    return {"mean": centre, "inverse_scale": 1.0 / spread, "flagged": np.zeros(0, dtype=np.int64)}


def prepare(cases: Cases, state: State, config: TabularConfig) -> Float[Tensor, "case input"]:
    """Scaled features, a missing value as 0, followed by a 0/1 flag for each feature that is missing somewhere."""
    values = np.asarray(cases.values, dtype=np.float64)
    missing = ~np.isfinite(values)
    scaled = (np.where(missing, 0.0, values) - state["mean"]) * state["inverse_scale"]
    scaled = np.where(missing, 0.0, np.clip(scaled, -config.clip, config.clip))
    flags = missing[:, state["flagged"]]
    return torch.from_numpy(np.concatenate([scaled, flags], axis=1).astype(np.float32))


def collate(prepared: Float[Tensor, "case input"], rows: Int64[Tensor, " batch"]) -> Float[Tensor, "batch input"]:
    """The batch of these rows."""
    return prepared[rows]


def build_encoder(config: TabularConfig, state: State) -> nn.Module:
    """A self-normalising network over the features and their flags."""
    n_inputs = len(state["mean"]) + len(state["flagged"])
    return SelfNormalisingNetwork(n_inputs, config.hidden, config.dropout, config.input_dropout)


def in_agreed_order(cases: Cases, features: Sequence[str], absent: str) -> Cases:
    """The cases with exactly the agreed columns; a column that the site lacks is NaN and counted as `absent`."""
    if not features:
        return cases
    names = _once(tuple(features))
    if names == cases.features:
        return replace(cases, features=names)
    position = {name: column for column, name in enumerate(cases.features)}
    values = np.full((len(cases.case_ids), len(features)), np.nan, dtype=np.float32)
    held = [(target, position[name]) for target, name in enumerate(features) if name in position]
    if held:
        targets, columns = (list(side) for side in zip(*held, strict=True))
        values[:, targets] = cases.values[:, columns]
    notes = {**cases.notes, absent: len(features) - len(held)}
    return Cases(cases.case_ids, values, names, notes)


@lru_cache(maxsize=64)
def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    """Equal names as the same object: those of a wide table are larger than the values of a small site."""
    return names
