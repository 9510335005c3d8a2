"""Krum: the one update whose nearest neighbours are nearest. Source: Blanchard et al. 2017, arXiv:1703.02757."""

from flwr.serverapp.strategy import FedAvg, Krum

from strategies.rule import NODES
from strategies.stock import StockCentre


class Rule(StockCentre):
    """Flower's Krum."""

    def needs(self) -> tuple[int, str]:
        """2 f + 3, f of them hostile: from there on the paper's guarantee holds."""
        n_hostile = self.settings.n_hostile
        return 2 * n_hostile + 3, f"to withstand {n_hostile} hostile (n_hostile)"

    def build(self, n_sites: int) -> FedAvg:
        return Krum(num_malicious_nodes=self.settings.n_hostile, **NODES)
