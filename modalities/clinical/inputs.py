"""Clinical records as the network sees them: a missing category is in none of its states.

So it differs from each of them, and no flag is needed: an `unknown` beside the states was tried and gained nothing,
while who was not tested tells the hospital rather than the tumour. A missing number stays missing.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

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


def prepare(cases: Cases, state: State, config: TabularConfig) -> Float[Tensor, "case input"]:
    """The scaled inputs of every table, a missing category in none of its states."""
    return tabular.prepare(replace(cases, values=vectors(cases)), state, config)
