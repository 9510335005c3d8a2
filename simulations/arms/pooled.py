"""Trains on pooled cases: the centralised arm (all sites) and the local arms (one site), with the federation's code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from client.study.loss import balance_of
from client.study.training import learning_rate, loss_sum, optimiser_of, set_learning_rate, train_epoch
from modalities.core.blocks.branch import Branch, Weights, build_branch, load_weights, weights_of
from modalities.core.contract import State, Sums
from modalities.core.fusion.evidence import Evaluation, Evidence, Question, class_weights, head_folds
from modalities.core.fusion.head import Parameters, head_named
from modalities.core.fusion.outputs import Outputs
from modalities.core.fusion.search import Search
from modalities.core.model.calibration import TEMPERATURE, THRESHOLDS, calibrated, losses_of, temperature_of
from modalities.core.model.conformal import score_counts, thresholds_of
from modalities.core.model.predict import FittedBranch, FittedModel, align, branch_outputs
from modalities.core.parts import parts_of, rows_of, scoring_parts
from modalities.core.patience import Patience
from modalities.core.registry import plugin
from modalities.core.seeds import seed_of
from modalities.core.settings.federation import Federation
from modalities.core.site.store import BranchData, SiteData


@dataclass(frozen=True)
class HeldOut:
    """Out-of-fold outputs of the training cases, with their labels."""

    case_ids: tuple[str, ...]
    outputs: Outputs
    labels: torch.Tensor


@dataclass(frozen=True)
class Fitted:
    """A trained model and how it came about."""

    model: FittedModel
    curves: Mapping[str, list[float]]
    """Held-out loss a case after each epoch, by modality."""
    stopped: Mapping[str, int]
    """The epoch that was kept, by modality."""
    held_out: HeldOut
    """What the branches say of the training cases that they never saw."""
    search: Search
    """Fits heads on that."""


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
    held_out = _aligned(learned, sites)
    search = head_search(federation, held_out, sites)
    name, head, _ = search.settle(possible=len(learned) > 1 and bool(held_out.case_ids))
    model = FittedModel(federation, branches, head, name, _calibrate(name, head, held_out))
    return Fitted(model, curves, stopped, held_out, search)


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


def _aligned(learned: Mapping[str, tuple[list[str], torch.Tensor, torch.Tensor]], sites: Sequence[SiteData]) -> HeldOut:
    """The out-of-fold outputs of all modalities, as one table."""
    sizes = {name: (found[1].shape[1], found[2].shape[1]) for name, found in learned.items()}
    case_ids = sorted({case_id for found in learned.values() for case_id in found[0]})
    label_of = {case_id: label for site in sites for case_id, label in site.site.cases["label"].items()}
    labels = torch.tensor([int(label_of[case_id]) for case_id in case_ids], dtype=torch.int64)
    return HeldOut(tuple(case_ids), align(learned, case_ids, sizes), labels)


def head_search(federation: Federation, held_out: HeldOut, sites: Sequence[SiteData]) -> Search:
    """Fits heads on the pooled out-of-fold outputs."""
    fusion = federation.fusion
    fold_of = {case_id: fold for site in sites for case_id, fold in site.folds.items()}
    folds = np.array([int(fold_of[case_id]) for case_id in held_out.case_ids], dtype=np.int64)
    evidence = Evidence(held_out.outputs, held_out.labels, head_folds(folds, fusion))
    counts = np.sum([site.class_counts() for site in sites], axis=0)
    weights = class_weights(counts, fusion.class_weight_exponent)

    def ask(question: Question, parameters: Parameters) -> Evaluation:
        return evidence.answer(question, parameters, weights, fusion.modality_dropout)

    sizes = {name: own.shape[1] for name, own in held_out.outputs.embeddings.items()}
    return Search(fusion, federation.seed, sizes, federation.n_classes, ask)


def _calibrate(name: str, parameters: Parameters, held_out: HeldOut) -> dict[str, np.ndarray]:
    """The calibration as a server finds it, from the pooled cases."""
    if not held_out.case_ids:
        return {}
    head, outputs, labels = head_named(name), held_out.outputs, held_out.labels
    losses, _ = losses_of(head, parameters, outputs, labels)
    calibration = {TEMPERATURE: np.array([temperature_of(losses)])}
    counts = score_counts(calibrated(head, parameters, calibration, outputs).numpy(), labels.numpy())
    return calibration | {THRESHOLDS: thresholds_of(counts)}
