"""FedAdam: Adam on the server."""

from flwr.serverapp.strategy import FedAdam

from strategies.stock import AdaptiveStep


class Rule(AdaptiveStep):
    """Flower's FedAdam."""

    kind = FedAdam
