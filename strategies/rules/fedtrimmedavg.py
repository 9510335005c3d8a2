"""FedTrimmedAvg: number by number, the mean without the largest and the smallest. Source: arXiv:1803.01498."""

import math

from flwr.serverapp.strategy import FedTrimmedAvg

from strategies.rule import NODES
from strategies.stock import StockCentre


class Rule(StockCentre):
    """Flower's FedTrimmedAvg: a site counts once, however many cases it says it has."""

    def needs(self) -> tuple[int, str]:
        """So many that one is left out at each end, where n sites leave out floor(trim_share n), and one is kept."""
        share = self.settings.trim_share
        about = math.floor(1 / share)
        least = next(n for n in range(max(3, about), about + 3) if int(share * n) >= 1)
        return least, f"to leave one out at each end (trim_share {share})"

    def build(self, n_sites: int) -> FedTrimmedAvg:
        return FedTrimmedAvg(beta=self.settings.trim_share, **NODES)
