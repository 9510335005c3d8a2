"""Whether copy number can be true of tumours: unit, coding and sign, told case by case."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from modalities.cnv.arms import ARMS, arm_of_gene
from modalities.cnv.rules import GAINED, LARGEST_LOG2, LEAST_CHANGE, LEAST_COPIES, LOST, rules_of
from modalities.core.contract import Cases, Source
from modalities.core.hooks import Plausibility, Quantity
from modalities.core.plausible.rules import judged


def plausibility(source: Source, cases: Cases, config: Any) -> Plausibility:
    """The rules that the values break, how much of each genome is altered, and what each arm looks like as traits."""
    if not cases.case_ids:
        return Plausibility()
    values = np.asarray(cases.values, dtype=np.float64)
    unit = config.arms_from if config.values == "arms" else config.values
    is_of_calls = unit == "calls" and config.values != "arms"
    arms = [(name if name in ARMS else arm_of_gene(name)) or "" for name in cases.features]
    frame = _summaries(values, arms).set_index(pd.Index(cases.case_ids))
    rules = rules_of("calls" if is_of_calls else "log2", set(arms) - {""})
    if config.values == "arms" and unit == "calls":  # means of calls are neither
        rules = tuple(rule for rule in rules if rule.needs == ("contrast",))
    return Plausibility(judged(rules, frame), _quantities(frame, is_of_calls), _traits(values, arms))


def _summaries(values: Float[np.ndarray, "case gene"], arms: Sequence[str]) -> pd.DataFrame:
    """What the rules are about, a row a case; NaN where nothing is known of it."""
    rows, on_gained, on_lost = [], np.isin(arms, GAINED), np.isin(arms, LOST)
    for row in values:
        known = row[np.isfinite(row)]
        if not known.size:
            rows.append({"contrast": np.nan})
            continue
        sizes = np.abs(known)
        rows.append(
            {
                "contrast": _contrast(row[on_gained], row[on_lost]),
                "changed": bool(known.any()),
                "lost": bool((known < 0).any()),
                "gained": bool((known > 0).any()),
                "altered": float((sizes > 0.5).mean()),
                "largest": float(sizes.max()),
                "lowest": float(known.min()),
                "median": float(np.median(known)),
                "ninth": float(np.quantile(sizes, 0.9)),
                "whole": bool(known.any() and np.isin(known, (-2, -1, 0, 1, 2)).all()),
            }
        )
    return pd.DataFrame(rows)


def _contrast(gained: Float[np.ndarray, " gene"], lost: Float[np.ndarray, " other"]) -> float:
    """The mean over the arms that are often gained minus that over the ones often lost; one side alone counts too."""
    known = [side[np.isfinite(side)] for side in (gained, lost)]
    means = [float(side.mean()) if side.size else 0.0 for side in known]
    return means[0] - means[1] if any(side.size for side in known) else np.nan


def _quantities(frame: pd.DataFrame, is_of_calls: bool) -> list[Quantity]:
    def of(column: str) -> np.ndarray:
        return frame[column].to_numpy(dtype=np.float64) if column in frame else np.full(len(frame), np.nan)

    unit = "mean call" if is_of_calls else "mean log2 ratio"
    contrast = Quantity("gained minus lost arms", unit, of("contrast"), 0.0)
    if is_of_calls:
        return [Quantity("altered genes", "share with a gain or a loss", of("altered"), 0.0, 1.0), contrast]
    spread = Quantity("90th percentile of change", "log2 ratio", of("ninth"), LEAST_CHANGE, LARGEST_LOG2)
    return [spread, Quantity("median", "log2 ratio", of("median"), -LARGEST_LOG2, LEAST_COPIES), contrast]


def _traits(values: Float[np.ndarray, "case gene"], arms: Sequence[str]) -> list[tuple[Hashable | None, ...]]:
    """A trait an arm, the pattern of its genes: they change together, so that none says much by itself.

    Genes of no known place are one arm.
    """
    traits = []
    for arm in dict.fromkeys(arms):
        own = values[:, [column for column, name in enumerate(arms) if name == arm]]
        traits.append([row.tobytes() if np.isfinite(row).any() else None for row in own])
    return list(zip(*traits, strict=True))
