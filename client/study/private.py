"""A round of a study that keeps an epsilon: the noised sum of each case's bounded gradient, and nothing else.

What is released is a vector of whole numbers, cases x (weights - weights sent) in units of 2^-37, so that the sum over
sites and its mean are those of any other round, and a sum under masks adds the noise of all sites without rounding.
`private_units` gives it for masks, `private_part` as the weights of an ordinary reply.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor, nn

from client.study.session import ClientStudy
from client.study.spent import book_release, noise_secret
from client.study.training import learning_rate
from modalities.core.blocks.branch import Branch, Weights
from modalities.core.parts import modality_of, rows_of
from modalities.core.seeds import seed_of, seed_torch
from modalities.core.settings.private import releases_of
from modalities.core.site.store import BranchData, digest_of
from strategies.checks import NUM_EXAMPLES
from strategies.private.accounting import noise_multiplier
from strategies.private.bits import Bits
from strategies.private.clipping import UNIT, bound_in_units, bounded_units, linear_norms
from strategies.private.noise import discrete_gaussian
from strategies.private.shares import honest_sites, site_sigma

_AT_A_TIME = 64
"""Cases whose gradients are held at once."""


@dataclass(frozen=True)
class _Step:
    """What a round's step is, from the settings and the round alone."""

    lr: float
    bound: float
    """Longest step that a case asks for."""
    server_round: int


def in_sums_of(study: ClientStudy, members: Mapping[str, Any]) -> ClientStudy:
    """The study with the members of each sum, which the masks hold a message to, as those who share the noise.

    The number that the setup said is the coordinator's word alone: a large one would make every share small.
    """
    return replace(study, holders={group: len(names) for group, names in members.items()})


def private_part(
    study: ClientStudy, branch: Branch, part: str, weights: Weights, server_round: int
) -> tuple[Weights, dict[str, int]]:
    """The noised step as weights, counted with the public number of cases; `branch` has the weights that were sent.

    Under masks the weights are float64: cases x (weights - weights sent) is then whole again after rounding.

    Raises:
        ValueError: it would not be; and as `private_units`.
    """
    privacy, n = study.federation.privacy, study.federation.privacy.cases
    units = private_units(study, branch, part, weights, server_round)
    moved = {name: array.astype(np.float64) + units[name] * UNIT / n for name, array in weights.items()}
    if privacy.is_masked:  # the mask is put on the whole units again, which float64 keeps
        back = {name: np.rint((moved[name] - weights[name]) * n / UNIT) for name in moved}
        if any((back[name] != units[name]).any() for name in moved):
            raise ValueError(f"{part}: weights too large for noise to stay exact; lower federated.lr")
        return moved, {NUM_EXAMPLES: n}
    return {name: array.astype(weights[name].dtype) for name, array in moved.items()}, {NUM_EXAMPLES: n}


def private_units(
    study: ClientStudy, branch: Branch, part: str, weights: Weights, server_round: int
) -> dict[str, Int64[np.ndarray, "..."]]:
    """Public cases x (weights - weights sent) in units of 2^-37, noise included: ready for masks of 64 bits.

    Booked at a real site before it is given. The same question about the same cases gets the same answer, to the bit.

    Raises:
        ValueError: the round is none of the study's; or the site's `max_epsilon` does not allow it.
        OSError: it cannot be booked; then the reply must not leave.
    """
    step = _step(study, part, server_round)
    data = study.training(modality_of(part))
    rows = rows_of(part, data.folds, study.federation.fusion)[0]
    seed_torch(seed_of(study.federation.seed, study.data.config.name, part, server_round))
    bound_units = bound_in_units(step.bound, len(rows))
    total = bounded_sum(branch, data, rows, step.lr, step.bound)
    released = -(total + _noise(study, part, weights, server_round, total, bound_units))
    return _shaped(released, branch, weights, _ridge(study, part, step))


def _step(study: ClientStudy, part: str, server_round: int) -> _Step:
    modality = modality_of(part)
    federated = study.federation.modalities[modality].federated
    if server_round > federated.rounds:
        raise ValueError(f"{part}: round {server_round} of {federated.rounds}, and epsilon accounts for no more")
    lr = learning_rate(federated.schedule, federated.lr, server_round - 1, federated.rounds)
    n_inputs = study.training(modality).prepared.shape[1]
    return _Step(lr, longest_step(lr, study.federation.privacy.clip, n_inputs), server_round)


def longest_step(lr: float, clip: float, n_inputs: int) -> float:
    """The longest that a case may ask for; `clip` is by the root of the inputs and the bias."""
    return lr * clip * math.sqrt(n_inputs + 1)


def bounded_sum(
    branch: Branch, data: BranchData, rows: Int64[np.ndarray, " row"], lr: float, bound: float
) -> Int64[np.ndarray, " weight"]:
    """Lr times each case's gradient, cut to the bound, in whole units, summed: a case moves it by the bound at most.

    In the order of the branch's parameters.
    """
    total = np.zeros(sum(values.numel() for values in branch.parameters()), dtype=np.int64)
    gradients = _linear if not list(branch.encoder.parameters()) else _of_network
    branch.train()
    for some in torch.from_numpy(rows).split(_AT_A_TIME):
        if len(some):
            found, norms = gradients(branch, data, some)
            total += bounded_units(lr * found, lr * norms, bound).sum(axis=0)
    return total


@torch.no_grad()
def _linear(
    branch: Branch, data: BranchData, rows: Tensor
) -> tuple[Float64[np.ndarray, "case weight"], Float64[np.ndarray, " case"]]:
    """Gradients by the head's matrix and bias, in closed form, and their norms: the encoder has nothing to learn."""
    inputs = branch.encoder(data.batch(rows)).double().numpy()
    matrix, bias = branch.head.weight.double().numpy(), branch.head.bias.double().numpy()
    residuals = torch.softmax(torch.from_numpy(inputs @ matrix.T + bias), dim=1).numpy()
    residuals[np.arange(len(rows)), data.labels[rows].numpy()] -= 1
    outer = residuals[:, :, None] * inputs[:, None, :]
    return np.concatenate([outer.reshape(len(rows), -1), residuals], axis=1), linear_norms(inputs, residuals)


def _of_network(
    branch: Branch, data: BranchData, rows: Tensor
) -> tuple[Float64[np.ndarray, "case weight"], Float64[np.ndarray, " case"]]:
    """Gradients case by case, since what dropout hides is a case's own."""
    found = []
    for row in rows:
        branch.zero_grad(set_to_none=True)
        branch.loss(data.batch(row[None]), data.labels[row[None]]).backward()
        each = [_gradient(values) for values in branch.parameters()]
        found.append(np.concatenate(each))
    branch.zero_grad(set_to_none=True)
    gradients = np.stack(found)
    return gradients, np.linalg.norm(gradients, axis=1)


def _gradient(values: nn.Parameter) -> Float64[np.ndarray, " weight"]:
    gradient = values.grad if values.grad is not None else torch.zeros_like(values)
    return gradient.double().numpy().ravel()


def _noise(
    study: ClientStudy, part: str, weights: Weights, server_round: int, total: np.ndarray, bound_units: int
) -> Int64[np.ndarray, " weight"]:
    """This site's share of the noise, the same for the same question about the same cases, and no other's."""
    privacy, releases = study.federation.privacy, releases_of(study.federation.modalities)
    multiplier = noise_multiplier(privacy.epsilon, privacy.delta, releases)
    sigma = site_sigma(multiplier, bound_units, _n_honest(study, modality_of(part)))
    secret = noise_secret(study)
    question = f"{study.federation.digest} {part} {server_round} {digest_of(weights)} {sigma} ".encode()
    # With the secret in it, a lost one makes other releases of the same sums, which count again.
    release = hashlib.sha256(secret + question + total.tobytes()).hexdigest()
    if study.home is not None:
        book_release(study.home, study.federation, release, study.data.config.policy)
    return discrete_gaussian(sigma, len(total), Bits(secret, release))


def _n_honest(study: ClientStudy, modality: str) -> int:
    """Sites that make up the whole noise of a sum; a real site adds a share of it under masks only."""
    privacy, settings = study.federation.privacy, study.federation.modalities[modality].federated
    if study.home is not None and not privacy.is_masked:
        raise ValueError(f"{modality}: noise shared out over sites hides nothing without masks")
    least = max(settings.min_holders, privacy.least_sites)
    return honest_sites(study.holders.get(modality, 1), least, privacy.colluders)


def _ridge(study: ClientStudy, part: str, step: _Step) -> float:
    """What a weight of a matrix is multiplied by and moved back: the pull of the ridge, which no case has a part in."""
    decay = study.federation.modalities[modality_of(part)].training.weight_decay
    return step.lr * decay * study.federation.privacy.cases


def _shaped(
    released: Int64[np.ndarray, " weight"], branch: Branch, weights: Weights, ridge: float
) -> dict[str, Int64[np.ndarray, "..."]]:
    """By name and in the shapes of the weights, with the pull of the ridge; what is no parameter stays."""
    units = {name: np.zeros(array.shape, dtype=np.int64) for name, array in weights.items()}
    start = 0
    for name, values in branch.named_parameters():
        own = released[start : start + values.numel()].reshape(values.shape)
        pull = ridge * values[0].numel() * weights[name].astype(np.float64) / UNIT if values.ndim > 1 else 0.0
        units[name] = own - np.rint(pull).astype(np.int64)
        start += values.numel()
    return units
