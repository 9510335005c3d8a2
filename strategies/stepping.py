"""A rule's step without sites: for whoever has what their replies combine to."""

from collections.abc import Iterable
from logging import WARNING, getLogger

from flwr.app import ConfigRecord, Message

from strategies.flower.grids import LocalGrid
from strategies.flower.messages import be_server
from strategies.rule import Step
from strategies.wire import Weights, to_record

_RUN = 1


class _OneNode(LocalGrid):
    """Somewhere for the messages that Flower's strategies write before they can take a step."""

    def get_node_ids(self) -> Iterable[int]:
        return [1]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        raise NotImplementedError("nobody is here to send to")

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        raise NotImplementedError("nobody is here to answer")


class Alone:
    """Takes the steps of one part, round after round."""

    def __init__(self, step: Step) -> None:
        """A step of its own, since it carries state from round to round."""
        be_server(_RUN)
        getLogger("flwr").setLevel(WARNING)
        self._step, self._grid = step, _OneNode(_RUN)

    def take(self, server_round: int, before: Weights, combined: Weights) -> Weights:
        """The weights of the next round."""
        in_order = dict(sorted(before.items()))  # as messages to sites have them: a strategy may pair by position
        self._step.stock.configure_train(server_round, to_record(in_order), ConfigRecord(), self._grid)
        return self._step.take(server_round, in_order, {name: combined[name] for name in in_order})
