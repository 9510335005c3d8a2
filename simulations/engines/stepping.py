"""A rule's step without sites: for whoever has what their replies combine to."""

from flwr.app import ConfigRecord
from flwr.clientapp import ClientApp

from simulations.engines.inline import InlineGrid
from strategies.rule import Step
from strategies.wire import Weights, to_record


class Alone:
    """Takes the steps of one part, round after round."""

    def __init__(self, step: Step) -> None:
        """A step of its own, since it carries state from round to round."""
        self._step = step
        # Flower's strategies write messages to a node before they can take a step; nothing is sent to this one.
        self._grid = InlineGrid(ClientApp(), 1, {})

    def take(self, server_round: int, before: Weights, combined: Weights) -> Weights:
        """The weights of the next round."""
        in_order = dict(sorted(before.items()))  # as messages to sites have them: a strategy may pair by position
        self._step.stock.configure_train(server_round, to_record(in_order), ConfigRecord(), self._grid)
        return self._step.take(server_round, in_order, {name: combined[name] for name in in_order})
