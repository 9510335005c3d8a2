"""Trains on pooled cases: the centralised arm (all sites) and the local arms (one site), with the federation's code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from client.loss import balance_of
from client.training import learning_rate, loss_sum, optimiser_of, set_learning_rate, train_epoch
from modalities.core.branch import Branch, Weights, build_branch, load_weights, weights_of
from modalities.core.contract import Cases, State, Sums
from modalities.core.federation import Federation
from modalities.core.fusion.fit import class_weights, loss_and_gradient, minimise
from modalities.core.fusion.head import Parameters, head_named
from modalities.core.parts import parts_of, rows_of, scoring_parts
from modalities.core.patience import Patience
from modalities.core.predict import FittedBranch, FittedModel, align, branch_outputs
from modalities.core.registry import plugin
from modalities.core.seeds import seed_of
from modalities.core.store import BranchData, SiteData


@dataclass(frozen=True)
class Fitted:
    """A trained model and how it came about."""

    model: FittedModel
    curves: Mapping[str, list[float]]
    """Held-out loss a case after each epoch, by modality."""
    stopped: Mapping[str, int]
    """The epoch that was kept, by modality."""


def fit_pooled(sites: Sequence[SiteData], federation: Federation, arm: str) -> Fitted:
    """Branches and head from the pooled training cases of the sites; `arm` names the seeds."""
    branches, curves, stopped, learned = {}, {}, {}, {}
    counts = np.sum([site.class_counts() for site in sites], axis=0)
    for name, config in federation.modalities.items():
        holders = [site for site in sites if name in site.modalities]
        if holders:
            state = pooled_state(holders, name)
            data = pooled_data(holders, name, state)
            weights, curves[name], stopped[name] = _fit_branch(federation, name, state, data, counts, arm)
            branches[name] = FittedBranch(config, state, weights[name])
            learned[name] = _held_out_outputs(federation, name, state, data, weights)
    head = _fit_head(federation, learned, sites, counts)
    return Fitted(FittedModel(federation, branches, head), curves, stopped)


def pooled_state(sites: Sequence[SiteData], modality: str) -> State:
    """The shared statistics, summed over sites as a server would."""
    config = sites[0].federation.modalities[modality]
    module = plugin(config.kind)
    parts = [module.sums(site.cases(modality).select(site.training_cases(modality)), config) for site in sites]
    return module.finalise(add_sums(parts), config)


def add_sums(parts: Sequence[Sums]) -> Sums:
    """Name by name."""
    return {name: np.sum([part[name] for part in parts], axis=0) for name in parts[0]}


def pooled_data(sites: Sequence[SiteData], modality: str, state: State) -> BranchData:
    """The training cases of all sites as one."""
    each = [site.training(modality, state) for site in sites]
    return BranchData(
        tuple(case_id for data in each for case_id in data.case_ids),
        _joined([data.prepared for data in each]),
        torch.cat([data.labels for data in each]),
        np.concatenate([data.folds for data in each]),
        each[0].collate,
    )


def _joined(parts: Sequence[Any]) -> Any:
    return torch.cat(list(parts)) if isinstance(parts[0], torch.Tensor) else [item for part in parts for item in part]


def _fit_branch(
    federation: Federation, name: str, state: State, data: BranchData, counts: np.ndarray, arm: str
) -> tuple[dict[str, Weights], list[float], int]:
    """Train the branch and its fold copies side by side; they stop together, on the summed held-out loss."""
    config, fusion = federation.modalities[name], federation.fusion
    parts = parts_of(name, fusion)
    rows = {part: rows_of(part, data.folds, fusion) for part in parts}
    balances = {part: balance_of(config.training, counts.tolist(), data.labels[own]) for part, (own, _) in rows.items()}
    seeds = {part: seed_of(federation.seed, arm, part) for part in parts}
    branches = {part: build_branch(config, state, federation.n_classes, seeds[part]) for part in parts}
    optimisers = {
        part: optimiser_of("adam", branches[part], config.training.lr, config.training.weight_decay) for part in parts
    }
    patience, curve, best = Patience(config.training.patience), [], {}
    for epoch in range(1, config.training.epochs + 1):
        lr = learning_rate(config.training.schedule, config.training.lr, epoch - 1, config.training.epochs)
        for part in parts:
            torch.manual_seed(seed_of(seeds[part], epoch))
            set_learning_rate(optimisers[part], lr)
            batch_size, balance = config.training.batch_size, balances[part]
            train_epoch(branches[part], data, rows[part][0], optimisers[part], batch_size, None, balance)
        curve.append(_held_out_loss(branches, data, rows))
        if patience.improves(epoch, curve[-1]):
            best = {part: weights_of(branch) for part, branch in branches.items()}
        if patience.exhausted(epoch):
            break
    return best, curve, patience.best_round


def _held_out_loss(branches: Mapping[str, Branch], data: BranchData, rows: Mapping[str, tuple]) -> float:
    """Mean loss a held-out case; NaN where nothing is held out."""
    n = sum(len(held_out) for _, held_out in rows.values())
    total = sum(loss_sum(branch, data, rows[part][1]) for part, branch in branches.items())
    return total / n if n else float("nan")


def _held_out_outputs(
    federation: Federation, name: str, state: State, data: BranchData, weights: Mapping[str, Weights]
) -> tuple[list[str], torch.Tensor, torch.Tensor]:
    """Out-of-fold outputs: every case as seen by the copy that was not trained on it."""
    config, fusion = federation.modalities[name], federation.fusion
    case_ids, logits, embeddings = [], [], []
    branch = build_branch(config, state, federation.n_classes, seed=0)
    for part in scoring_parts(name, fusion):
        held_out = rows_of(part, data.folds, fusion)[1]
        if len(held_out):
            load_weights(branch, weights[part])
            found = branch_outputs(branch, config.kind, data.prepared, torch.from_numpy(held_out))
            case_ids += [data.case_ids[row] for row in held_out]
            logits.append(found[0])
            embeddings.append(found[1])
    if not case_ids:
        n_classes, size = weights[name]["head.weight"].shape
        return [], torch.zeros(0, n_classes).double(), torch.zeros(0, size).double()
    return case_ids, torch.cat(logits), torch.cat(embeddings)


def _fit_head(
    federation: Federation,
    learned: Mapping[str, tuple[list[str], torch.Tensor, torch.Tensor]],
    sites: Sequence[SiteData],
    counts: np.ndarray,
) -> Parameters:
    """The fusion head on the pooled out-of-fold outputs."""
    head = head_named(federation.fusion.head)
    sizes = {name: (found[1].shape[1], found[2].shape[1]) for name, found in learned.items()}
    start = head.initial({name: embedding for name, (_, embedding) in sizes.items()}, federation.n_classes)
    case_ids = sorted({case_id for found in learned.values() for case_id in found[0]})
    if len(learned) < 2 or not case_ids:
        return start
    outputs = align(learned, case_ids, sizes)
    label_of = {case_id: label for site in sites for case_id, label in site.site.cases["label"].items()}
    labels = torch.tensor([int(label_of[case_id]) for case_id in case_ids])
    weights = class_weights(counts, federation.fusion.class_weight_exponent)
    dropout = federation.fusion.modality_dropout

    def evaluate(parameters: Parameters) -> tuple[float, Parameters]:
        return loss_and_gradient(head, parameters, outputs, labels, weights, dropout)

    return minimise(head, start, evaluate, federation.fusion)


def read_all(site: SiteData) -> dict[str, Cases]:
    """Every modality that the site has files of, whatever it may train on: for scoring."""
    return {name: site.cases(name) for name in site.federation.modalities if name in site.site.sources}
