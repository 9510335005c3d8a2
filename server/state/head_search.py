"""The search for a fusion head in a checkpoint: fits that are done, and how far the one under way is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from modalities.core.fusion.evidence import Evaluation
from modalities.core.fusion.fit import FitProgress, HeadFit, Moments
from modalities.core.fusion.head import Parameters
from modalities.core.fusion.search import Memory
from strategies.wire import Weights

_FITS, _GRADIENTS, _MOMENTS = "fits", "gradients", "moments"
_KINDS = ("parameters", "first", "second")
"""Of Adam's moments."""


def search_to_arrays(memory: Memory) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays by `<group>|<owner>|<name>`, and the plain values that go with them."""
    evaluations, moments = memory.progress.evaluations, memory.progress.moments
    groups = {
        _FITS: {key: fit.parameters for key, fit in memory.fits.items()},
        _GRADIENTS: {str(number): each.gradient for number, each in enumerate(evaluations)},
        _MOMENTS: {kind: getattr(moments, kind) for kind in _KINDS} if moments else {},
    }
    arrays = {
        f"{group}|{owner}|{name}": values.numpy()
        for group, owners in groups.items()
        for owner, own in owners.items()
        for name, values in own.items()
    }
    return arrays, {
        _FITS: {key: [fit.held_out, fit.n_held_out, fit.rounds] for key, fit in memory.fits.items()},
        "evaluations": [[each.loss, each.held_out, each.n_held_out] for each in evaluations],
        "steps": [moments.steps] if moments else [],
    }


def search_from_arrays(groups: Mapping[str, Mapping[str, Weights]], plain: Mapping[str, Any]) -> Memory:
    """The inverse of `search_to_arrays`; `groups` is by group, owner and name."""
    fits = {key: HeadFit(_tensors(groups, _FITS, key), *values) for key, values in plain[_FITS].items()}
    evaluations = [
        Evaluation(loss, _tensors(groups, _GRADIENTS, str(number)), held_out, n)
        for number, (loss, held_out, n) in enumerate(plain["evaluations"])
    ]
    parameters, first, second = (_tensors(groups, _MOMENTS, kind) for kind in _KINDS)
    moments = Moments(parameters, first, second, *plain["steps"]) if plain["steps"] else None
    return Memory(fits, FitProgress(evaluations, moments))


def _tensors(groups: Mapping[str, Mapping[str, Weights]], group: str, owner: str) -> Parameters:
    found = groups.get(group, {}).get(owner, {})
    return {name: torch.from_numpy(np.array(array)) for name, array in found.items()}
