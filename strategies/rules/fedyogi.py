"""FedYogi: Yogi on the server, whose squares grow more slowly than Adam's."""

from flwr.serverapp.strategy import FedYogi

from strategies.stock import AdaptiveStep


class Rule(AdaptiveStep):
    """Flower's FedYogi."""

    kind = FedYogi
