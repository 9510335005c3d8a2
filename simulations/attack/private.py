"""The step of a study that keeps an epsilon: each case's gradient bounded, and the noise of all sites on the sum."""

import math

import numpy as np
from jaxtyping import Int64

from client.study.private import bounded_sum, longest_step
from modalities.core.blocks.branch import Branch, Weights, weights_of
from modalities.core.seeds import seed_of
from modalities.core.settings.federation import Federation
from modalities.core.settings.private import releases_of
from modalities.core.site.store import BranchData
from simulations.attack.training import Step, rate
from strategies.private.accounting import confirmed_multiplier
from strategies.private.bits import Bits
from strategies.private.clipping import UNIT, bound_in_units
from strategies.private.noise import discrete_gaussian
from strategies.private.shares import honest_sites, site_sigma


def private_step(federation: Federation, modality: str, n_sites: int, number: int) -> Step:
    """What `n_sites` sites' noised sums come to, in study `number`; only linear branches.

    Raises:
        ValueError: the branch has hidden layers.
    """
    config, privacy = federation.modalities[modality], federation.privacy
    if getattr(config, "hidden", []):
        raise ValueError(f"{modality}: an attack under an epsilon needs a linear branch; set hidden: []")
    multiplier = confirmed_multiplier(privacy.epsilon, privacy.delta, releases_of(federation.modalities))
    least = max(config.federated.min_holders, privacy.least_sites)
    n_honest = honest_sites(n_sites, least, privacy.colluders)
    secret = seed_of(federation.seed, "attack", "noise", modality, number).to_bytes(32, "big")

    def step(branch: Branch, data: BranchData, rows: Int64[np.ndarray, " row"], server_round: int) -> Weights:
        lr = rate(federation, modality, server_round)
        bound = longest_step(lr, privacy.clip, data.prepared.shape[1])
        total = bounded_sum(branch, data, rows, lr, bound)
        sigma = site_sigma(multiplier, bound_in_units(bound, len(rows)), n_honest)
        noise = discrete_gaussian(round(sigma * math.sqrt(n_sites)), len(total), Bits(secret, f"{server_round}"))
        return _moved(branch, -(total + noise) * UNIT / (privacy.cases * n_sites), lr * config.training.weight_decay)

    return step


def _moved(branch: Branch, by: np.ndarray, decay: float) -> Weights:
    """The branch's weights moved, the matrix pulled back by the ridge of its inputs too."""
    weights, split = weights_of(branch), branch.head.weight.numel()
    matrix = weights["head.weight"].astype(np.float64)
    matrix += by[:split].reshape(matrix.shape) - decay * matrix.shape[1] * matrix
    bias = weights["head.bias"] + by[split:]
    moved = {"head.weight": matrix, "head.bias": bias}
    return weights | {name: array.astype(weights[name].dtype) for name, array in moved.items()}
