"""From settings to Flower's own strategies, and the optimiser state that they keep between rounds."""

from typing import Any

import numpy as np
from flwr.serverapp.strategy import (
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedMedian,
    FedProx,
    FedTrimmedAvg,
    FedYogi,
    Krum,
    MultiKrum,
)
from flwr.serverapp.strategy.fedopt import FedOpt

from modalities.core.settings.training import Federated

_MOMENTS, _MOMENTUM = ("m_t", "v_t"), "momentum"
_NODES: dict[str, Any] = {"min_train_nodes": 1, "min_evaluate_nodes": 1, "min_available_nodes": 1}


def build_strategy(settings: Federated) -> FedAvg:
    """The stock strategy that takes the server's step on one reply, be it the mean of all or a robust rule's.

    For a robust rule by itself that is FedAvg, which leaves one reply as it is. None waits for more nodes than there
    are.
    """
    adaptive: dict[str, Any] = {"eta": settings.server_lr, "tau": settings.server_tau, **_NODES}
    betas: dict[str, Any] = {"beta_1": settings.beta_1, "beta_2": settings.beta_2}
    match settings.strategy:
        case "fedprox":
            return FedProx(proximal_mu=settings.proximal_mu, **_NODES)
        case "fedavgm":
            return FedAvgM(server_momentum=settings.server_momentum, **_NODES)
        case "fedadagrad":
            return FedAdagrad(**adaptive)
        case "fedadam":
            return FedAdam(**adaptive, **betas)
        case "fedyogi":
            return FedYogi(**adaptive, **betas)
    return FedAvg(**_NODES)


def build_robust(settings: Federated, n_replies: int) -> FedAvg:
    """The stock rule that makes one reply of this many; multikrum averages as many as its guarantee covers."""
    match settings.robust_rule:
        case "fedmedian":
            return FedMedian(**_NODES)
        case "fedtrimmedavg":
            return FedTrimmedAvg(beta=settings.trim_share, **_NODES)
        case "krum":
            return Krum(num_malicious_nodes=settings.n_hostile, **_NODES)
        case "multikrum":
            chosen = max(1, n_replies - settings.n_hostile - 2)
            return MultiKrum(num_malicious_nodes=settings.n_hostile, num_nodes_to_select=chosen, **_NODES)
    raise ValueError(f"no robust rule in these settings: strategy {settings.strategy}")


def optimiser_state(strategy: FedAvg) -> dict[str, np.ndarray]:
    """FedOpt's moments or FedAvgM's momentum, keyed `<moment>/<array>`; empty for strategies that keep none."""
    if isinstance(strategy, FedAvgM) and strategy.momentum_vector is not None and strategy.current_arrays:
        names = strategy.current_arrays.keys()
        return {f"{_MOMENTUM}/{name}": own for name, own in zip(names, strategy.momentum_vector, strict=True)}
    if not isinstance(strategy, FedOpt):
        return {}
    moments = {moment: getattr(strategy, moment) or {} for moment in _MOMENTS}
    return {f"{moment}/{name}": array for moment, arrays in moments.items() for name, array in arrays.items()}


def restore_optimiser(strategy: FedAvg, state: dict[str, np.ndarray]) -> None:
    """Put back what `optimiser_state` gave; FedAvgM keeps a list, in the order of the names."""
    if isinstance(strategy, FedAvgM):
        strategy.momentum_vector = [state[key] for key in sorted(state)] or None
    for moment in _MOMENTS:
        held = {key.partition("/")[2]: array for key, array in state.items() if key.partition("/")[0] == moment}
        if held:
            setattr(strategy, moment, held)
