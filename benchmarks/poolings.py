"""Which pooling for which bags: macro-AUROC and log-loss out of fold, and what a case costs.

`python -m benchmarks.poolings` trains every pooling on made-up cohorts of 300 cases of 50 tiles, four classes and three
folds, without hidden layers, for 60 epochs:

- all: every tile is shifted a little towards the class of its case;
- few: four tiles of a case are shifted much, the others say nothing;
- pairs: cases of a class have two of three kinds of tiles, each class another two, or none.

Numbers are the same each time, but for the milliseconds.
"""

import argparse
import time

import numpy as np
import torch

from benchmarks.measure import machine
from client.study.training import learning_rate, optimiser_of, set_learning_rate, train_epoch
from modalities import wsi_image
from modalities.core.blocks.branch import build_branch
from modalities.core.seeds import seed_of, seed_torch
from modalities.core.site.store import BranchData
from modalities.wsi_image.config import Config
from modalities.wsi_image.network import pooling_named
from modalities.wsi_image.poolings import POOLINGS
from strategies.evaluation.delong import aurocs

_CASES, _TILES, _FEATURES, _CLASSES, _FOLDS = 300, 50, 16, 4, 3
_EPOCHS, _LR = 60, 1e-2
_KINDS = ((), (0, 1), (0, 2), (1, 2))
"""The kinds of tiles that cases of each class have, among `pairs`."""


def cohort(name: str) -> tuple[list[torch.Tensor], np.ndarray]:
    """The bags, and the class of each."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(_CASES) % _CLASSES)
    bags = rng.normal(0, 1, (_CASES, _TILES, _FEATURES)).astype(np.float32)
    for bag, label in zip(bags, labels, strict=True):
        if name == "all":
            bag[:, label] += 0.25
        elif name == "few":
            bag[rng.choice(_TILES, 4, replace=False), label] += 3
        else:
            for kind in _KINDS[label]:
                bag[rng.choice(_TILES, 2, replace=False), kind] += 4
    return [torch.from_numpy(bag) for bag in bags], labels


def data_of(name: str, pooling: str) -> BranchData:
    """The cohort as a site prepares it for this pooling."""
    bags, labels = cohort(name)
    prepared = torch.stack([bag.mean(dim=0) for bag in bags]) if pooling_named(pooling).of_means else bags
    folds = 1 + np.random.default_rng(1).permutation(_CASES) % _FOLDS
    return BranchData(tuple(map(str, range(_CASES))), prepared, torch.from_numpy(labels), folds, wsi_image.collate)


def measured(data: BranchData, pooling: str) -> tuple[float, float, float]:
    """Macro-AUROC and log-loss out of fold, and CPU milliseconds a case in an epoch of training."""
    config = Config(kind="wsi_image", pooling=pooling)
    state = {"mean": np.zeros(_FEATURES), "inverse_scale": np.ones(_FEATURES)}
    says, spent, n_trained = np.zeros((_CASES, _CLASSES)), 0.0, 0
    for fold in range(1, _FOLDS + 1):
        seed = seed_of(0, pooling, fold)
        branch = build_branch(config, state, _CLASSES, seed)
        optimiser = optimiser_of("adam", branch, _LR, config.training.weight_decay)
        rows, tested = np.flatnonzero(data.folds != fold), np.flatnonzero(data.folds == fold)
        began = time.process_time()
        for epoch in range(_EPOCHS):
            seed_torch(seed_of(seed, epoch))
            set_learning_rate(optimiser, learning_rate("cosine", _LR, epoch, _EPOCHS))
            train_epoch(branch, data, rows, optimiser, config.training.batch_size)
        spent, n_trained = spent + time.process_time() - began, n_trained + _EPOCHS * len(rows)
        branch.eval()
        with torch.no_grad():
            says[tested] = branch(data.batch(torch.from_numpy(tested)))[1].softmax(dim=1).numpy()
    labels = data.labels.numpy()
    loss = -np.log(np.clip(says[np.arange(_CASES), labels], 1e-12, 1)).mean()
    return float(aurocs(says, labels).mean()), float(loss), 1e3 * spent / n_trained


def main() -> None:
    """Print a line for each cohort and pooling."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--poolings", nargs="*", choices=POOLINGS, default=list(POOLINGS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    for name in ("all", "few", "pairs"):
        for pooling in asked.poolings:
            auroc, loss, milliseconds = measured(data_of(name, pooling), pooling)
            print(
                f"{name:>5} {pooling:>18}: AUROC {auroc:.3f}, log-loss {loss:.2f}, {milliseconds:.2f} ms a case",
                flush=True,
            )


if __name__ == "__main__":
    main()
