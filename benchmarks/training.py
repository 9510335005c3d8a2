"""Seconds a step of training: on one thread, on all threads, and on a GPU where torch finds one.

`python -m benchmarks.training` trains, with the project's own loop, the paper's copy-number network (19700-8192-2048-4)
and gated attention over bags of 1,000 tiles of 1,024 features, both with Adam in batches of 32. Goals of the GPU: 50
times as fast as one thread, and weights within 1e-3 of the processor's after the same steps (without dropout, which
each draws by itself). Networks of growing size then show from where on `auto` of resources.device should take a GPU.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.measure import aligned, machine, tell
from client.study.training import optimiser_of, train_epoch
from modalities.core.blocks.branch import Branch, build_branch, weights_of
from modalities.core.contract import State
from modalities.core.device import WORTH_A_GPU, place
from modalities.core.registry import plugin
from modalities.core.seeds import seed_torch
from modalities.core.settings.federation import federation_from
from modalities.core.settings.training import BranchConfig
from modalities.core.site.store import BranchData

GOAL, CLOSE = 50.0, 1e-3
_BATCH, _N_CLASSES, _LR = 32, 4, 1e-4
_N_GENES, _N_TILES, _N_FEATURES = 19_700, 1000, 1024
_RULE = [(1000, []), (19_700, []), (1000, [256]), (4000, [512]), (19_700, [256]), (19_700, [1024])]
"""Inputs and hidden layers of the networks that the rule of `auto` is measured on."""


@dataclass(frozen=True)
class Workload:
    """A branch and cases for it."""

    name: str
    config: BranchConfig
    state: State
    data: BranchData
    epoch: int
    """Steps of an epoch of 800 cases."""

    def branch(self) -> Branch:
        """The network as it begins."""
        return build_branch(self.config, self.state, _N_CLASSES, seed=0)


def copy_number(n_steps: int, **settings: Any) -> Workload:
    """The paper's network."""
    config = _config("cnv", preset="paper", **settings)
    return _vectors("copy number, paper's preset", "cnv", config, _N_GENES, n_steps)


def attention(n_steps: int) -> Workload:
    """Gated attention over a bag a case."""
    config, generator = _config("wsi_image", pooling="attention"), torch.Generator().manual_seed(0)
    bags = [torch.randn(_N_TILES, _N_FEATURES, generator=generator) for _ in range(_BATCH)] * n_steps
    state = {"mean": np.zeros(_N_FEATURES), "inverse_scale": np.ones(_N_FEATURES)}
    return Workload("gated attention, 32 x 1,000 tiles", config, state, _labelled("wsi_image", bags), 25)


def _vectors(name: str, kind: str, config: BranchConfig, n_features: int, n_steps: int) -> Workload:
    state: State = {"mean": np.zeros(n_features), "inverse_scale": np.ones(n_features)}
    state["flagged"] = np.zeros(0, dtype=np.int64)
    values = torch.randn(_BATCH * n_steps, n_features, generator=torch.Generator().manual_seed(0))
    return Workload(name, config, state, _labelled(kind, values), 25)


def _config(kind: str, **settings: Any) -> BranchConfig:
    return federation_from({"modalities": {kind: settings}}).modalities[kind]


def _labelled(kind: str, prepared: Any) -> BranchData:
    n = len(prepared)
    return BranchData(
        tuple(map(str, range(n))), prepared, torch.arange(n) % _N_CLASSES, np.zeros(n), plugin(kind).collate
    )


def seconds_a_step(work: Workload, asked: str, n_threads: int) -> tuple[float, Mapping[str, np.ndarray]]:
    """By the clock, the first step left out; and the weights after all of them."""
    torch.set_num_threads(n_threads)
    branch = work.branch()
    device = place(branch, asked, work.data.collate, work.data.prepared, _BATCH)
    optimiser = optimiser_of("adam", branch, _LR, work.config.training.weight_decay)
    seed_torch(0, device)
    rows = np.arange(len(work.data.labels))
    train_epoch(branch, work.data, rows[:_BATCH], optimiser, _BATCH)
    began = time.perf_counter()
    train_epoch(branch, work.data, rows[_BATCH:], optimiser, _BATCH)  # it asks for the losses: a GPU is done then
    taken = time.perf_counter() - began
    return taken / (len(rows) / _BATCH - 1), weights_of(branch)


def where() -> Iterator[tuple[str, str, int]]:
    """Name, device and threads."""
    yield "one thread", "cpu", 1
    if (n := os.cpu_count() or 1) > 1:
        yield f"{n} threads", "cpu", n
    if torch.cuda.is_available():
        yield torch.cuda.get_device_name(), "cuda", 1


def in_turn(work: Workload, n_rounds: int) -> Iterator[tuple[tuple[str, str, int], float]]:
    """Each device's median seconds a step over rounds in which all of them take turns."""
    found: dict[tuple[str, str, int], list[float]] = {}
    for number in range(1, n_rounds + 1):
        for place_of in where():
            tell(f"{work.name}: {place_of[0]}, round {number} of {n_rounds}")
            found.setdefault(place_of, []).append(seconds_a_step(work, *place_of[1:])[0])
    for place_of, seconds in found.items():
        yield place_of, float(np.median(seconds))


def compared(works: Sequence[Callable[[], Workload]], n_rounds: int) -> Iterator[tuple[list[str], bool]]:
    """A row for each workload and device, and whether the goals are met there."""
    for make in works:
        work, first = make(), 0.0
        for (name, device, _), seconds in in_turn(work, n_rounds):
            first = first or seconds
            row = [work.name, name, f"{seconds * 1000:.1f} ms", f"{seconds * work.epoch:.2f} s"]
            yield [*row, f"{first / seconds:.1f}"], device == "cpu" or first / seconds >= GOAL


def apart(n_steps: int) -> Iterator[tuple[str, float]]:
    """How far weights are from one thread's after the same steps without dropout."""
    work = copy_number(n_steps, dropout=0.0)
    expected: Mapping[str, np.ndarray] = {}
    for name, device, n_threads in where():
        _, weights = seconds_a_step(work, device, n_threads)
        expected = expected or weights
        yield name, max(float(np.abs(own - expected[key]).max()) for key, own in weights.items())


def of_the_rule(n_steps: int, n_rounds: int) -> Iterator[list[str]]:
    """Milliseconds a step of networks of growing size, each a row."""
    for n_features, hidden in _RULE:
        config = _config("cnv", coding="number", hidden=hidden)
        work = _vectors(f"{n_features} inputs, {hidden}", "cnv", config, n_features, n_steps)
        n_parameters = sum(values.numel() for values in work.branch().parameters())
        each = [f"{seconds * 1000:.2f}" for _, seconds in in_turn(work, n_rounds)]
        size = n_parameters * _BATCH
        shape = "-".join(map(str, [n_features, *hidden, _N_CLASSES]))
        yield [shape, f"{n_parameters:,}", f"{size:.1e}", *each, "GPU" if size >= WORTH_A_GPU else "processor"]


def main() -> None:
    """Print the tables; exit code 1 if a GPU is there and misses a goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4, help="Steps that are timed, after one that warms up.")
    parser.add_argument("--rounds", type=int, default=3, help="Rounds in which devices take turns; medians are shown.")
    asked = parser.parse_args()
    n_steps, n_rounds = asked.steps + 1, asked.rounds
    names = [name for name, _, _ in where()]
    print(f"{machine()}; {'GPU: ' + names[-1] if torch.cuda.is_available() else 'no GPU that torch can use'}")
    rows = list(compared([lambda: copy_number(n_steps), lambda: attention(n_steps)], n_rounds))
    print(aligned([["", "on", "a step", "an epoch", "times one thread"], *(row for row, _ in rows)]))
    far = list(apart(n_steps))
    print(f"largest difference of a weight after {n_steps} steps:", ", ".join(f"{n} {d:.1e}" for n, d in far))
    print(f"`auto` takes a GPU from parameters x rows = {WORTH_A_GPU:.0e} on; milliseconds a step of {_BATCH} cases:")
    print(aligned([["network", "parameters", "x rows", *names, "auto"], *of_the_rule(n_steps, n_rounds)]))
    sys.exit(int(not all(met for _, met in rows) or any(difference > CLOSE for _, difference in far)))


if __name__ == "__main__":
    main()
