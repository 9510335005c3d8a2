"""One part's share of a round at one site."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from client.study.loss import balance_of
from client.study.private import private_part
from client.study.session import ClientStudy
from client.study.training import Pull, learning_rate, loss_sum, optimiser_of, set_learning_rate, train_epoch
from modalities.core.blocks.branch import Branch, Weights, build_branch, load_weights, own_weights
from modalities.core.device import computing, place
from modalities.core.fields import CPU
from modalities.core.parts import modality_of, rows_of
from modalities.core.seeds import seed_of, seed_torch
from modalities.core.site.store import BranchData
from strategies.checks import HELD_OUT_LOSS, HELD_OUT_N, LOSS, NUM_EXAMPLES

Metrics = dict[str, Any]
_MOST_NETWORKS = 16
_networks: dict[tuple[str, str, str], Branch] = {}
_optimisers: WeakKeyDictionary[Branch, dict[tuple, torch.optim.Optimizer]] = WeakKeyDictionary()


def train_part(
    study: ClientStudy, part: str, weights: Weights, server_round: int, proximal_mu: float
) -> tuple[Weights, Metrics]:
    """Local epochs from the global weights; the metrics also score those weights on the held-out fold."""
    modality = modality_of(part)
    settings, data = study.federation.modalities[modality], study.training(modality)
    branch = network_with(study, modality, weights, data)
    if study.federation.privacy.epsilon:
        return private_part(study, branch, part, weights, server_round)
    rows, held_out = rows_of(part, data.folds, study.federation.fusion)
    metrics = _scores(branch, data, held_out)
    federated = settings.federated
    lr = learning_rate(federated.schedule, federated.lr, server_round - 1, federated.rounds)
    pull = Pull.from_here(branch, proximal_mu) if proximal_mu else None
    balance = balance_of(settings.training, study.class_counts, data.labels[rows])
    seed_torch(seed_of(study.federation.seed, study.data.config.name, part, server_round), branch.device)
    batch_size, loss = federated.batch_size or max(1, len(rows)), 0.0
    with _optimiser(branch, federated.optimiser, lr, settings.training.weight_decay) as optimiser:
        for _ in range(federated.local_epochs):
            loss = train_epoch(branch, data, rows, optimiser, batch_size, pull, balance)
    return own_weights(branch), {NUM_EXAMPLES: len(rows), LOSS: loss * len(rows), **metrics}


def score_part(study: ClientStudy, part: str, weights: Weights) -> Metrics:
    """The held-out loss of these weights, summed."""
    modality = modality_of(part)
    data = study.training(modality)
    held_out = rows_of(part, data.folds, study.federation.fusion)[1]
    branch = network_with(study, modality, weights, data)
    return {NUM_EXAMPLES: len(data.case_ids), **_scores(branch, data, held_out)}


def _scores(branch: Branch, data: BranchData, held_out: np.ndarray) -> Metrics:
    return {HELD_OUT_N: len(held_out), HELD_OUT_LOSS: loss_sum(branch, data, held_out)}


def network_with(study: ClientStudy, modality: str, weights: Mapping[str, np.ndarray], data: BranchData) -> Branch:
    """A network with these weights, where this site trains it; one a modality serves every message of the process.

    Under an epsilon that is the processor: a site gives the same answer to the same question, to the bit.
    """
    key = (study.federation.digest, modality, study.digests[modality])
    if key not in _networks:
        if len(_networks) >= _MOST_NETWORKS:
            _networks.clear()
        config, state = study.federation.modalities[modality], study.states[modality]
        _networks[key] = build_branch(config, state, study.federation.n_classes, seed=0)
    network, federated = _networks[key], study.federation.modalities[modality].federated
    asked = CPU if study.federation.privacy.epsilon else study.device
    with computing(place(network, asked, data.collate, data.prepared, federated.batch_size or len(data.case_ids))):
        load_weights(network, weights)
    return network


@contextmanager
def _optimiser(branch: Branch, name: str, lr: float, weight_decay: float) -> Iterator[torch.optim.Optimizer]:
    """An optimiser as new: making one takes longer than a step on a few cases, so one is used again, set to zero."""
    own, key = _optimisers.setdefault(branch, {}), (name, weight_decay, branch.device)
    if key not in own:
        own[key] = optimiser_of(name, branch, lr, weight_decay)
    optimiser = own[key]
    for moments in optimiser.state.values():
        for moment in moments.values():
            moment.zero_()
    set_learning_rate(optimiser, lr)
    yield optimiser
