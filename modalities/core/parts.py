"""The parts of a study: each branch, and the fold copies of it that the fusion head learns from.

A part is named `cnv` or `cnv@2`. The copy `cnv@k` trains on all folds but k and is scored on fold k; the branch itself
trains on everything. Copies travel and are aggregated like any branch.
"""

import numpy as np

from modalities.core.fusion.settings import Fusion

_FOLD = "@"


def parts_of(modality: str, fusion: Fusion) -> list[str]:
    """The branch and its copies; only `crossfit` has copies."""
    copies = range(1, fusion.folds + 1) if fusion.fit == "crossfit" else ()
    return [modality, *(f"{modality}{_FOLD}{fold}" for fold in copies)]


def modality_of(part: str) -> str:
    """The modality of a part: `cnv@2` -> `cnv`."""
    return part.partition(_FOLD)[0]


def held_out_fold(part: str, fusion: Fusion) -> int | None:
    """The fold that a part never trains on; None where it trains on everything."""
    fold = part.partition(_FOLD)[2]
    if fold:
        return int(fold)
    return 1 if fusion.fit == "tune" else None


def scoring_parts(modality: str, fusion: Fusion) -> list[str]:
    """The parts that have held-out cases: they pick the stopping round and teach the fusion head."""
    return [part for part in parts_of(modality, fusion) if held_out_fold(part, fusion) is not None]


def rows_of(part: str, folds: np.ndarray, fusion: Fusion) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers that the part trains on, and those it is scored on."""
    held_out = held_out_fold(part, fusion)
    is_held_out = folds == (-1 if held_out is None else held_out)
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
