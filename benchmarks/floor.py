"""The floor: federated averaging as a bare PyTorch loop over tensors in memory. Nothing here is Flower's.

It takes the same steps on the same batches as the real thing, with the same optimiser and the same scoring passes, so
that its weights come out the same: what the real thing takes beyond this is what the framework costs.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.measure import say_peak
from benchmarks.workloads import MODALITY, WORKLOADS
from modalities.core.blocks.branch import build_branch, weights_of
from modalities.core.contract import Cases, State
from modalities.core.parts import rows_of
from modalities.core.registry import plugin
from modalities.core.seeds import seed_of, seed_torch
from modalities.core.settings.federation import Federation
from modalities.core.site.store import SiteData


@dataclass(frozen=True)
class FloorSite:
    """One site's tensors."""

    name: str
    inputs: Tensor
    labels: Tensor
    train: Tensor
    held_out: Tensor


class Floor:
    """A global model and the sites that train it."""

    def __init__(self, federation: Federation, sites: list[FloorSite], initial: list[np.ndarray]) -> None:
        """Begin with these weights, in the order of the network's parameters."""
        self.federation, self.sites = federation, sites
        self.config = federation.modalities[MODALITY]
        self.weights = [torch.from_numpy(array) for array in initial]
        self.network = _network([weights.shape for weights in self.weights[::2]])
        self.held_out_loss = 0.0

    def round(self, server_round: int) -> None:
        """Every site scores the weights and trains on from them; the new ones are the mean weighted by cases."""
        total, n_total, self.held_out_loss = [], 0, 0.0
        for site in self.sites:
            self._load()
            self.held_out_loss += self._score(site)
            seed_torch(seed_of(self.federation.seed, site.name, MODALITY, server_round))
            self._train(site)
            n = len(site.train)
            n_total += n
            with torch.no_grad():
                if not total:
                    total = [own * n for own in self.network.parameters()]
                else:
                    for sum_, own in zip(total, self.network.parameters(), strict=True):
                        sum_.add_(own, alpha=n)
        self.weights = [sum_.div_(n_total) for sum_ in total]

    @torch.no_grad()
    def _load(self) -> None:
        for own, weights in zip(self.network.parameters(), self.weights, strict=True):
            own.copy_(weights)

    @torch.no_grad()
    def _score(self, site: FloorSite) -> float:
        self.network.eval()
        logits = self.network(site.inputs[site.held_out])
        return nn.functional.cross_entropy(logits, site.labels[site.held_out], reduction="sum").item()

    def _train(self, site: FloorSite) -> float:
        self.network.train()
        decay = self.config.training.weight_decay
        groups = [{"params": [own for own in self.network.parameters() if own.ndim <= 1], "weight_decay": 0.0}]
        for own in self.network.parameters():
            if own.ndim > 1:
                groups.append({"params": [own], "weight_decay": decay * own.shape[1]})
        optimiser = torch.optim.Adam(groups, lr=self.config.federated.lr, fused=True)
        loss_sum = 0.0
        for rows in site.train[torch.randperm(len(site.train))].split(self.config.federated.batch_size):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(self.network(site.inputs[rows]), site.labels[rows])
            loss.backward()
            optimiser.step()
            loss_sum += loss.item() * len(rows)
        return loss_sum


def build_floor(federation: Federation, opened: Sequence[SiteData]) -> Floor:
    """The floor over these sites: its tensors are the real thing's, its loop is its own."""
    config = federation.modalities[MODALITY]
    module = plugin(config.kind)
    sums = [module.sums(_training(data), config) for data in opened]
    state = module.finalise({name: np.sum([own[name] for own in sums], axis=0) for name in sums[0]}, config)
    initial = weights_of(build_branch(config, state, federation.n_classes, seed_of(federation.seed, MODALITY)))
    return Floor(federation, [_site(data, state) for data in opened], list(initial.values()))


def _training(data: SiteData) -> Cases:
    return data.cases(MODALITY).select(data.training_cases(MODALITY))


def _site(data: SiteData, state: State) -> FloorSite:
    own = data.training(MODALITY, state)
    train, held_out = (torch.from_numpy(rows) for rows in rows_of(MODALITY, own.folds, data.federation.fusion))
    return FloorSite(data.site.name, own.prepared, own.labels, train, held_out)


def _network(shapes: list[torch.Size]) -> nn.Sequential:
    """Linear layers of these shapes with SELU between them."""
    layers: list[nn.Module] = []
    for n_out, n_in in shapes:
        layers += [nn.Linear(n_in, n_out), nn.SELU()]
    return nn.Sequential(*layers[:-1])


def main() -> None:
    """Run the rounds alone in this process and print its peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=sorted(WORKLOADS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("rounds", type=int)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    federation = WORKLOADS[arguments.workload].federation(arguments.rounds)
    opened = [SiteData(path.parent, federation) for path in sorted(arguments.folder.glob("*/site.yaml"))]
    floor = build_floor(federation, opened)
    del opened
    for server_round in range(1, arguments.rounds + 1):
        floor.round(server_round)
    say_peak()


if __name__ == "__main__":
    main()
