"""Rules that Flower's own strategies carry out."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from flwr.app import Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg
from flwr.serverapp.strategy.fedopt import FedOpt

from strategies.checks import NUM_EXAMPLES
from strategies.rule import NODES, Centre, Step
from strategies.tuning import STEP, Recipe
from strategies.wire import Weights, from_record, to_record

_MOMENTS = ("m_t", "v_t")


class StockStep(Step):
    """The step that a Flower strategy takes on the combined weights, as if they were the only reply."""

    def take(self, server_round: int, before: Weights, combined: Weights) -> Weights:
        in_order = {name: combined[name] for name in before}
        after = aggregated(self.stock, server_round, [(in_order, 1)])
        return {name: np.asarray(after[name], dtype=array.dtype) for name, array in before.items()}


class AdaptiveStep(StockStep):
    """Flower's FedOpt family: an adaptive optimiser on the server, whose gradient is the mean update.

    Source: Reddi et al. 2021, arXiv:2003.00295.
    """

    kind: type[FedOpt]
    recipe = Recipe(STEP, "server_lr", (0.1, 1.0, 2.0), of_default=True)

    @property
    def options(self) -> dict[str, Any]:
        """What `kind` is built with."""
        settings = self.settings
        betas = {"beta_1": settings.beta_1, "beta_2": settings.beta_2}
        return {"eta": settings.server_lr, "tau": settings.server_tau, **betas}

    @cached_property
    def stock(self) -> FedOpt:
        return self.kind(**self.options, **NODES)

    def state(self) -> Weights:
        """Both moments, keyed `<moment>/<array>`."""
        moments = {moment: getattr(self.stock, moment) or {} for moment in _MOMENTS}
        return {f"{moment}/{name}": array for moment, arrays in moments.items() for name, array in arrays.items()}

    def restore(self, state: Weights) -> None:
        for moment in _MOMENTS:
            held = {key.partition("/")[2]: array for key, array in state.items() if key.partition("/")[0] == moment}
            if held:
                setattr(self.stock, moment, held)


class StockCentre(Centre):
    """What a Flower strategy makes of the sites' updates."""

    @abstractmethod
    def build(self, n_sites: int) -> FedAvg:
        """The Flower strategy for the updates of this many sites."""

    def combine(self, updates: Sequence[Weights], cases: Sequence[int]) -> Weights:
        return aggregated(self.build(len(updates)), 1, zip(updates, cases, strict=True))


def aggregated(strategy: FedAvg, server_round: int, replies: Iterable[tuple[Weights, int]]) -> Weights:
    """What Flower's strategy makes of these weights, each with its number of cases."""
    messages = []
    for weights, cases in replies:
        content = RecordDict({"arrays": to_record(weights), "metrics": MetricRecord({NUM_EXAMPLES: cases})})
        messages.append(Message(content, dst_node_id=0, message_type=MessageType.TRAIN))
    arrays, _ = strategy.aggregate_train(server_round, messages)
    return from_record(arrays) if arrays is not None else {}
