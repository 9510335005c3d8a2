"""What the branches of a model trained in one place say of the training cases that they never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from modalities.core.blocks.branch import Weights, build_branch, load_weights
from modalities.core.contract import State
from modalities.core.device import place
from modalities.core.fields import AUTO
from modalities.core.fusion.outputs import Outputs
from modalities.core.model.predict import BATCH, align, branch_outputs
from modalities.core.parts import rows_of, scoring_parts
from modalities.core.settings.federation import Federation
from modalities.core.site.store import BranchData, SiteData

Learned = tuple[list[str], Float[Tensor, "case class"], Float[Tensor, "case embedding"]]
"""Case ids, and the logits and embeddings of each."""


@dataclass(frozen=True)
class HeldOut:
    """Out-of-fold outputs of the training cases, with their labels."""

    case_ids: tuple[str, ...]
    outputs: Outputs
    labels: Tensor


def held_out_of(
    federation: Federation,
    name: str,
    state: State,
    data: BranchData,
    weights: Mapping[str, Weights],
    device: str = AUTO,
) -> Learned:
    """Every case as seen by the copy that was not trained on it; `weights` is by part."""
    config, fusion = federation.modalities[name], federation.fusion
    case_ids, logits, embeddings = [], [], []
    branch = build_branch(config, state, federation.n_classes, seed=0)
    place(branch, device, data.collate, data.prepared, BATCH)
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


def aligned(learned: Mapping[str, Learned], sites: Sequence[SiteData]) -> HeldOut:
    """The out-of-fold outputs of all modalities, as one table."""
    sizes = {name: (logits.shape[1], embeddings.shape[1]) for name, (_, logits, embeddings) in learned.items()}
    case_ids = sorted({case_id for found, _, _ in learned.values() for case_id in found})
    labels = of_cases(case_ids, [(site.listed.case_ids, site.listed.labels.tolist()) for site in sites])
    return HeldOut(tuple(case_ids), align(learned, case_ids, sizes), torch.tensor(labels, dtype=torch.int64))


def of_cases(case_ids: Sequence[str], by_site: Sequence[tuple[Sequence[str], Sequence[int]]]) -> list[int]:
    """The number of each case, such as its class, from the sites' lists of cases and numbers."""
    known = {case_id: number for owners, numbers in by_site for case_id, number in zip(owners, numbers, strict=True)}
    return [known[case_id] for case_id in case_ids]
