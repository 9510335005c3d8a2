"""Trains a branch and its fold copies in one place, epoch by epoch; what is done can be kept and gone on from."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from numpy import ndarray

from client.study.loss import balance_of
from client.study.training import learning_rate, loss_sum, optimiser_of, set_learning_rate, train_epoch
from modalities.core.blocks.branch import Branch, Weights, build_branch, load_weights, weights_of
from modalities.core.contract import State
from modalities.core.device import moved, place
from modalities.core.fields import AUTO, CPU
from modalities.core.parts import parts_of, rows_of
from modalities.core.patience import Patience
from modalities.core.seeds import seed_of, seed_torch
from modalities.core.settings.federation import Federation
from modalities.core.site.store import BranchData


class BranchFit:
    """A branch and its copies in training, side by side: they stop together, on the summed held-out loss."""

    def __init__(
        self,
        federation: Federation,
        name: str,
        state: State,
        data: BranchData,
        counts: Float[ndarray, " class"],
        arm: str,
        device: str = AUTO,
    ) -> None:
        """`counts` are the training cases by class; `arm` names the seeds; `device` is as site.yaml says it."""
        config, fusion = federation.modalities[name], federation.fusion
        self._settings, self._data, parts = config.training, data, parts_of(name, fusion)
        self._rows = {part: rows_of(part, data.folds, fusion) for part in parts}
        self._balances = {
            part: balance_of(config.training, counts.tolist(), data.labels[own])
            for part, (own, _) in self._rows.items()
        }
        self._seeds = {part: seed_of(federation.seed, arm, part) for part in parts}
        self._branches = {part: build_branch(config, state, federation.n_classes, self._seeds[part]) for part in parts}
        for branch in self._branches.values():
            place(branch, device, data.collate, data.prepared, config.training.batch_size)
        self._optimisers = {
            part: optimiser_of("adam", branch, config.training.lr, config.training.weight_decay)
            for part, branch in self._branches.items()
        }
        self._patience = Patience(config.training.patience)
        self.curve: list[float] = []
        """Held-out loss a case after each epoch; NaN where nothing is held out."""
        self.best: dict[str, Weights] = {}
        """By part, after the epoch of least held-out loss."""

    @property
    def best_epoch(self) -> int:
        """The epoch that `best` is of."""
        return self._patience.best_round

    @property
    def is_done(self) -> bool:
        """Whether the stopping rule, or the number of epochs, ends it."""
        return len(self.curve) >= self._settings.epochs or self._patience.exhausted(len(self.curve))

    def train_epoch(self) -> None:
        """One epoch of every part."""
        settings, epoch = self._settings, len(self.curve) + 1
        lr = learning_rate(settings.schedule, settings.lr, epoch - 1, settings.epochs)
        for part, branch in self._branches.items():
            optimiser, rows = self._optimisers[part], self._rows[part][0]
            seed_torch(seed_of(self._seeds[part], epoch), branch.device)
            set_learning_rate(optimiser, lr)
            train_epoch(branch, self._data, rows, optimiser, settings.batch_size, None, self._balances[part])
        self.curve.append(_held_out_loss(self._branches, self._data, self._rows))
        if self._patience.improves(epoch, self.curve[-1]):
            self.best = {part: weights_of(branch) for part, branch in self._branches.items()}

    def to_plain(self) -> dict[str, Any]:
        """Everything that a later process needs to go on, as `save_tensors` keeps it."""
        under_way = {
            "weights": {part: weights_of(branch) for part, branch in self._branches.items()},
            "moments": {part: _moments_of(optimiser) for part, optimiser in self._optimisers.items()},
        }
        best = {"best": self.best, "best_loss": self._patience.best_loss, "best_epoch": self.best_epoch}
        return {"curve": self.curve, **best, **({} if self.is_done else under_way)}

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Go on from there: what follows is the same to the last bit."""
        self.curve, self.best = list(plain["curve"]), dict(plain["best"])
        self._patience.best_loss, self._patience.best_round = plain["best_loss"], plain["best_epoch"]
        for part, weights in plain.get("weights", {}).items():
            load_weights(self._branches[part], weights)
            _set_moments(self._optimisers[part], plain["moments"][part])


def _held_out_loss(branches: Mapping[str, Branch], data: BranchData, rows: Mapping[str, tuple]) -> float:
    """Mean loss a held-out case; NaN where nothing is held out."""
    n = sum(len(held_out) for _, held_out in rows.values())
    total = sum(loss_sum(branch, data, rows[part][1]) for part, branch in branches.items())
    return total / n if n else float("nan")


def _moments_of(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """What Adam remembers of each parameter, by its number."""
    return {str(number): moved(dict(own), CPU) for number, own in optimiser.state_dict()["state"].items()}


def _set_moments(optimiser: torch.optim.Optimizer, moments: Mapping[str, Any]) -> None:
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": {int(key): own for key, own in moments.items()}, "param_groups": groups})
