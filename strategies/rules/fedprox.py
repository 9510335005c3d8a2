"""FedProx: FedAvg of sites that are pulled towards the round's global model while they train.

Source: Li et al. 2020, arXiv:1812.06127.
"""

import math
from functools import cached_property

from flwr.serverapp.strategy import FedProx

from strategies.rule import NODES, Step
from strategies.tuning import LOCAL, Recipe


class Rule(Step):
    """FedAvg's step; Flower's strategy tells the sites how hard they are pulled."""

    recipe = Recipe({**LOCAL, "proximal_mu": 0.1}, Step.recipe.tuned, Step.recipe.values)

    def problems(self) -> list[str]:
        """A pull of 0 is FedAvg under another name."""
        pull = self.settings.proximal_mu
        return [] if 0 < pull < math.inf else [f"fedprox needs proximal_mu > 0, got {pull}"]

    @cached_property
    def stock(self) -> FedProx:
        return FedProx(proximal_mu=self.settings.proximal_mu, **NODES)
