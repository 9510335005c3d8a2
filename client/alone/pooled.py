"""The training cases of some sites as one: of all of them, or of a single one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from modalities.core.contract import State, Sums
from modalities.core.registry import plugin
from modalities.core.site.store import BranchData, SiteData


def pooled_state(sites: Sequence[SiteData], modality: str) -> State:
    """The shared statistics, summed over sites as a server would."""
    config = sites[0].federation.modalities[modality]
    module = plugin(config.kind)
    return module.finalise(add_sums([module.sums(site.values(modality), config) for site in sites]), config)


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


def pooled_counts(sites: Sequence[SiteData]) -> Float[np.ndarray, " class"]:
    """Training cases by class that hold at least one modality which takes part."""
    return np.sum([site.class_counts() for site in sites], axis=0)


def _joined(parts: Sequence[Any]) -> Any:
    return torch.cat(list(parts)) if isinstance(parts[0], torch.Tensor) else [item for part in parts for item in part]
