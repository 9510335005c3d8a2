"""From branches to outputs, and from outputs to probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from modalities.core.batches import is_on_disk, parts
from modalities.core.blocks.branch import Branch, Weights, build_branch, load_weights
from modalities.core.contract import Cases, State
from modalities.core.device import batches_on, computing, moved, place
from modalities.core.fields import AUTO, CPU
from modalities.core.fusion.head import Parameters, head_named
from modalities.core.fusion.outputs import Outputs
from modalities.core.model.calibration import Calibration, calibrated
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation
from modalities.core.settings.training import BranchConfig

BATCH = 512
"""Cases that go through a branch together where it only predicts."""


@dataclass(frozen=True)
class FittedBranch:
    """A branch as it is kept: settings, the shared statistics and the weights."""

    config: BranchConfig
    state: State
    weights: Weights

    def build(self, n_classes: int) -> Branch:
        """The network, ready to predict."""
        branch = build_branch(self.config, self.state, n_classes, seed=0)
        load_weights(branch, self.weights)
        return branch.eval()


@dataclass(frozen=True)
class FittedModel:
    """Branches, a fusion head and its calibration: what a study ends with."""

    federation: Federation
    branches: Mapping[str, FittedBranch]
    head: Parameters
    head_name: str = ""
    """Empty: the one that the settings name, which `auto` leaves open."""
    calibration: Calibration = field(default_factory=dict)
    device: str = AUTO
    """Where the branches compute, as in `resources.device` of site.yaml; what they say is on the processor."""

    def outputs(self, cases: Mapping[str, Cases], case_ids: Sequence[str]) -> Outputs:
        """What the branches say of these cases; `cases` holds the modalities that were read."""
        found = {}
        for name, fitted in self.branches.items():
            if name in cases and cases[name].case_ids:
                module = plugin(fitted.config.kind)
                prepared = module.prepare(cases[name], fitted.state, fitted.config)
                branch = fitted.build(self.federation.n_classes)
                place(branch, self.device, module.collate, prepared, min(len(prepared), BATCH))
                found[name] = (cases[name].case_ids, *branch_outputs(branch, fitted.config.kind, prepared))
        return align(found, case_ids, {name: self._sizes(name) for name in self.branches})

    def probabilities(self, outputs: Outputs) -> Float[np.ndarray, "case class"]:
        """Fused probabilities, calibrated; NaN for a case with no modality."""
        head = head_named(self.head_name or self.federation.fusion.head)
        return calibrated(head, self.head, self.calibration, outputs).numpy()

    def _sizes(self, name: str) -> tuple[int, int]:
        n_classes, embedding = self.branches[name].weights["head.weight"].shape
        return n_classes, embedding


def by_branch(outputs: Outputs) -> dict[str, Float[np.ndarray, "case class"]]:
    """Each branch's own probabilities, by modality; NaN for a case without it."""
    return {
        name: torch.where(outputs.present[name][:, None], logits.softmax(dim=1), torch.nan).numpy()
        for name, logits in outputs.logits.items()
    }


@torch.no_grad()
def branch_outputs(
    branch: Branch, kind: str, prepared: Any, rows: Int64[Tensor, " row"] | None = None
) -> tuple[Float[Tensor, "case class"], Float[Tensor, "case embedding"]]:
    """Logits and embeddings of the rows (all of them by default), as float64; computed where the branch is."""
    branch.eval()
    device, make = branch.device, partial(plugin(kind).collate, prepared)
    chosen = torch.arange(len(prepared)) if rows is None else rows
    with computing(device):
        each = [part.rows for part in parts(prepared, chosen, BATCH)]
        pairs = [moved(branch(batch), CPU) for batch in batches_on(device, make, each, is_on_disk(prepared))]
    embeddings, logits = (torch.cat(side).double() for side in zip(*pairs, strict=True))
    return logits, embeddings


def align(
    found: Mapping[str, tuple[Sequence[str], Tensor, Tensor]],
    case_ids: Sequence[str],
    sizes: Mapping[str, tuple[int, int]],
) -> Outputs:
    """Outputs by modality, each for its own cases, as one table over `case_ids`; `sizes` gives (classes, embedding)."""
    position = {case_id: row for row, case_id in enumerate(case_ids)}
    logits, embeddings, present = {}, {}, {}
    for name, (n_classes, embedding_size) in sizes.items():
        logits[name] = torch.zeros(len(case_ids), n_classes, dtype=torch.float64)
        embeddings[name] = torch.zeros(len(case_ids), embedding_size, dtype=torch.float64)
        present[name] = torch.zeros(len(case_ids), dtype=torch.bool)
        if name in found:
            owners, own_logits, own_embeddings = found[name]
            kept = [row for row, case_id in enumerate(owners) if case_id in position]
            places = torch.tensor([position[owners[row]] for row in kept], dtype=torch.int64)
            logits[name][places] = own_logits[kept]
            embeddings[name][places] = own_embeddings[kept]
            present[name][places] = True
    return Outputs(logits, embeddings, present)
