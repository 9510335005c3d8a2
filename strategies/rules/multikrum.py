"""Multi-Krum: the mean, counted by cases, of the updates that Krum likes best. Source: arXiv:1703.02757."""

from flwr.serverapp.strategy import MultiKrum

from strategies.rule import NODES
from strategies.rules import krum


class Rule(krum.Rule):
    """Flower's MultiKrum, over as many updates as the guarantee covers."""

    def build(self, n_sites: int) -> MultiKrum:
        n_hostile = self.settings.n_hostile
        chosen = max(1, n_sites - n_hostile - 2)
        return MultiKrum(num_malicious_nodes=n_hostile, num_nodes_to_select=chosen, **NODES)
