"""FedMedian: number by number, the median of the sites' updates. Source: Yin et al. 2018, arXiv:1803.01498."""

from flwr.serverapp.strategy import FedMedian

from strategies.rule import NODES
from strategies.stock import StockCentre


class Rule(StockCentre):
    """Flower's FedMedian: a site counts once, however many cases it says it has."""

    def needs(self) -> tuple[int, str]:
        return 3, "for a median that differs from the mean"

    def build(self, n_sites: int) -> FedMedian:
        return FedMedian(**NODES)
