"""FedAvgM: FedAvg that repeats a share of its last step. Source: Hsu et al. 2019, arXiv:1909.06335."""

from collections.abc import Iterable
from functools import cached_property

from flwr.app import ArrayRecord, ConfigRecord, Message
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvgM

from strategies.rule import NODES
from strategies.stock import StockStep
from strategies.tuning import STEP, Recipe
from strategies.wire import Weights

_MOMENTUM = "momentum/"


class Rule(StockStep):
    """Flower's FedAvgM."""

    recipe = Recipe(STEP, "lr", (0.01, 0.1, 0.5), of_default=True)

    @cached_property
    def stock(self) -> FedAvgM:
        return _FromWhatWasSent(server_momentum=self.settings.server_momentum, **NODES)

    def state(self) -> Weights:
        """The momentum by array; Flower keeps a list, in the order of the arrays that were sent."""
        momentum, sent = self.stock.momentum_vector, self.stock.current_arrays
        if momentum is None or sent is None:
            return {}
        return {f"{_MOMENTUM}{name}": array for name, array in zip(sent, momentum, strict=True)}

    def restore(self, state: Weights) -> None:
        """Put the momentum back; arrays are sent in the order of their names."""
        self.stock.momentum_vector = [state[key] for key in sorted(state)] or None


class _FromWhatWasSent(FedAvgM):
    """Flower's, but its step starts from the weights that were sent, not from its own last result: that may be gone."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        self.current_arrays = arrays
        return super().configure_train(server_round, arrays, config, grid)
