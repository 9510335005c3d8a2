"""Local training and scoring of one branch: the same code at a hospital, in a simulation and in the pooled arm."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from client.study.loss import Balance
from modalities.core.batches import Part
from modalities.core.blocks.branch import Branch
from modalities.core.device import batches_on, computing, moved
from modalities.core.model.predict import BATCH
from modalities.core.site.store import BranchData

_PLAIN = Balance()


@dataclass(frozen=True)
class Pull:
    """FedProx's pull towards the weights that the round began with."""

    mu: float
    towards: Mapping[str, Tensor]

    @staticmethod
    def from_here(model: Branch, mu: float) -> "Pull":
        """Towards the weights that the model has now."""
        with computing(model.device):
            return Pull(mu, {name: weights.detach().clone() for name, weights in model.named_parameters()})


def proximal_penalty(model: nn.Module, pull: Pull) -> Float[Tensor, ""]:
    """(mu / 2) * ||w - w_global||^2.

    Source: Li et al. 2020, arXiv:1812.06127.
    """
    drift = [(weights - pull.towards[name]).square().sum() for name, weights in model.named_parameters()]
    return pull.mu / 2 * torch.stack(drift).sum()


def optimiser_of(name: str, branch: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """`adam` or `sgd` on the loss plus, for each layer's matrix W, weight_decay * inputs / 2 * ||W||^2.

    The decay is part of the gradient (not AdamW's), so that a linear branch tends to the optimum of ridge-penalised
    logistic regression; it grows with the inputs, since scaled inputs add up to logits of that variance. Biases are
    left alone. Fused, since on a CPU that saves more than any framework costs.
    """
    groups: list[dict[str, Any]] = [{"params": [], "weight_decay": 0.0}]
    for values in branch.parameters():
        if values.ndim > 1:
            groups.append({"params": [values], "weight_decay": weight_decay * values[0].numel()})
        else:
            groups[0]["params"].append(values)
    return (torch.optim.SGD if name == "sgd" else torch.optim.Adam)(groups, lr=lr, fused=True)


def learning_rate(schedule: str, lr: float, done: int, total: int) -> float:
    """The rate after `done` of `total` epochs or rounds: constant, or a cosine from lr towards zero."""
    return lr if schedule == "constant" else lr / 2 * (1 + math.cos(math.pi * done / total))


def train_epoch(
    branch: Branch,
    data: BranchData,
    rows: Int64[np.ndarray, " row"],
    optimiser: torch.optim.Optimizer,
    batch_size: int,
    pull: Pull | None = None,
    balance: Balance = _PLAIN,
) -> float:
    """One pass over the rows in an order drawn from torch's generator; the mean loss a case, 0 for no case.

    It runs where the branch is. A batch that is too large for memory gives its gradient part by part. Losses are asked
    for at the end: asked for at each step, a GPU would wait for us.
    """
    if not len(rows):
        return 0.0
    branch.train()
    device, losses = branch.device, list[tuple[Tensor, int]]()
    weighed = moved(balance, device)
    order = torch.from_numpy(rows)[torch.randperm(len(rows))]
    with computing(device):
        for part, batch, labels in _drawn(data, device, order, batch_size):
            if part.is_first:
                optimiser.zero_grad(set_to_none=True)
            loss = branch.loss(batch, labels, weighed.losses)
            losses.append((loss.detach(), len(labels)))
            loss = loss * part.share
            (loss if pull is None or not part.is_last else loss + proximal_penalty(branch, pull)).backward()
            if part.is_last:
                optimiser.step()
        return _total(losses) / len(rows)


def set_learning_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Use this rate from now on."""
    for group in optimiser.param_groups:
        group["lr"] = lr


@torch.no_grad()
def loss_sum(branch: Branch, data: BranchData, rows: Int64[np.ndarray, " row"]) -> float:
    """Cross-entropy summed over the rows; 0 for none."""
    if not len(rows):
        return 0.0
    branch.eval()
    device = branch.device
    with computing(device):
        losses = [
            (nn.functional.cross_entropy(branch(batch)[1], labels, reduction="sum"), 1)
            for _, batch, labels in _drawn(data, device, torch.from_numpy(rows), BATCH)
        ]
        return _total(losses)


def _drawn(
    data: BranchData, device: torch.device, order: Int64[Tensor, " row"], batch_size: int
) -> Iterator[tuple[Part, Any, Int64[Tensor, " row"]]]:
    """The batches of an epoch, part by part: the encoder's input, and the labels."""
    parts = data.parts(order, batch_size)
    batches = batches_on(device, data.labelled, [part.rows for part in parts], data.is_on_disk)
    for part, (batch, labels) in zip(parts, batches, strict=True):
        yield part, batch, labels


def _total(losses: Iterable[tuple[Tensor, int]]) -> float:
    """Added up on the processor in double precision, each times its number of cases."""
    total = 0.0
    for loss, times in losses:
        total += loss.item() * times
    return total
