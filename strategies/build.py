"""From settings to Flower's own strategies, and the optimiser state that they keep between rounds."""

from typing import Any

import numpy as np
from flwr.serverapp.strategy import FedAdam, FedAvg, FedProx
from flwr.serverapp.strategy.fedopt import FedOpt

from modalities.core.config import Federated

_MOMENTS = ("m_t", "v_t")


def build_strategy(settings: Federated) -> FedAvg:
    """The stock strategy that these settings name; it never waits for more nodes than there are."""
    nodes: dict[str, Any] = {"min_train_nodes": 1, "min_evaluate_nodes": 1, "min_available_nodes": 1}
    if settings.strategy == "fedprox":
        return FedProx(proximal_mu=settings.proximal_mu, **nodes)
    if settings.strategy == "fedadam":
        return FedAdam(eta=settings.server_lr, tau=settings.server_tau, **nodes)
    return FedAvg(**nodes)


def optimiser_state(strategy: FedAvg) -> dict[str, np.ndarray]:
    """FedOpt's moments, keyed `<moment>/<array>`; empty for strategies that keep none."""
    if not isinstance(strategy, FedOpt):
        return {}
    moments = {moment: getattr(strategy, moment) or {} for moment in _MOMENTS}
    return {f"{moment}/{name}": array for moment, arrays in moments.items() for name, array in arrays.items()}


def restore_optimiser(strategy: FedAvg, state: dict[str, np.ndarray]) -> None:
    """Put back what `optimiser_state` gave."""
    for moment in _MOMENTS:
        held = {key.partition("/")[2]: array for key, array in state.items() if key.partition("/")[0] == moment}
        if held:
            setattr(strategy, moment, held)
