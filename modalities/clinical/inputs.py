"""Clinical records as the network sees them: a missing category is in none of its states.

So it differs from each of them, and no flag is needed: an `unknown` beside the states was tried and gained nothing,
while who was not tested tells the hospital rather than the tumour. A missing number stays missing.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from modalities.clinical.config import Config
from modalities.clinical.dictionary import BY_NAME
from modalities.core.blocks import tabular
from modalities.core.blocks.tabular import TabularConfig
from modalities.core.contract import Cases, State, Sums


def vectors(cases: Cases) -> Float[np.ndarray, "case feature"]:
    """The values, with 0 in every state of a missing category."""
    is_state = np.array(["=" in name for name in cases.features], dtype=bool)
    return np.where(np.isnan(cases.values) & is_state, np.float32(0), cases.values)


def sums(cases: Cases, config: TabularConfig) -> Sums:
    """The statistics of every table, a missing category in none of its states."""
    return tabular.sums(replace(cases, values=vectors(cases)), config)


def public_state(config: Config) -> State:
    """Numbers from the middle of what the dictionary permits, in quarters of it; states as 0 and 2.

    A state's spread is that of a coin, .5, the largest that it can have.
    """
    columns = [(BY_NAME[name.partition("=")[0]], "=" in name) for name in config.known_features]
    centre = [0.0 if is_state else (field.low + field.high) / 2 for field, is_state in columns]
    spread = [0.5 if is_state else (field.high - field.low) / 4 for field, is_state in columns]
    return tabular.public_scale(np.array(centre), np.array(spread))


def prepare(cases: Cases, state: State, config: TabularConfig) -> Float[Tensor, "case input"]:
    """The scaled inputs of every table, a missing category in none of its states."""
    return tabular.prepare(replace(cases, values=vectors(cases)), state, config)
