"""Hostile-site study: what one site that poisons its model does to the fused prediction, under each rule."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from modalities.core.files.atomic import replacing, write_json
from modalities.core.settings.federation import Federation
from server.phases.options import Options
from server.phases.order import run_study
from server.state.release import fitted_model
from simulations.arms.arms import Fold
from simulations.arms.scoring import score, score_prior
from simulations.cohorts.cohort import FEDERATION
from simulations.engines.hostile import ATTACKS, hostile_grid
from simulations.engines.inline import grid_over
from simulations.engines.machine import side_by_side
from simulations.scores.metrics import case_weights, estimate, metric_draws
from simulations.scores.predictions import FUSED
from simulations.studies.recipes import same_choice, with_recipe
from strategies.settings import load_federation

NONE = "none"
ALLOWED_FALL = 0.02
_MIDDLE, _DRAWS = 1, 1000


@dataclass(frozen=True)
class RobustnessPlan:
    """What is run."""

    rules: tuple[str, ...]
    attacks: tuple[str, ...]
    hostile: str = ""
    """The hostile site; empty takes the one with the most training cases: a mean heeds it most."""
    fit: str = "tune"
    """How the fusion head is fitted; a quarter of the cost of `crossfit`."""

    def __post_init__(self) -> None:
        unknown = [attack for attack in self.attacks if attack not in ATTACKS]
        if unknown or not self.attacks:
            raise ValueError(f"attacks must be of {', '.join(ATTACKS)}, got {', '.join(unknown) or 'none'}")


def run_robustness(
    folds: Sequence[Fold], plan: RobustnessPlan, out: Path, advance: Callable[[str], None]
) -> dict[str, Any]:
    """Run what is not done yet, a file a rule, attack and fold below `out`, and sum up; `advance` is told of each."""
    federation = load_federation(folds[0].root / FEDERATION)
    sizes = _sizes(folds[0], federation)
    hostile = plan.hostile or max(sizes, key=lambda site: (sizes[site], site))
    predictions: dict[tuple[str, str], pd.DataFrame] = {}
    notes: dict[str, str] = {}
    for rule in plan.rules:
        for attack in (NONE, *plan.attacks):
            tables = []
            for number, fold in enumerate(folds, start=1):
                path = out / "robustness" / f"{rule}_{attack}_{hostile}_{number}.parquet"
                if not path.is_file():
                    with side_by_side():
                        _keep(path, *_run(federation, rule, attack, hostile, plan.fit, fold))
                tables.append(pd.read_parquet(path))
                notes |= json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
                advance(f"{rule}, {attack}, fold {number}")
            predictions[rule, attack] = pd.concat(tables, ignore_index=True)
    return {
        "plan": {**asdict(plan), "folds": len(folds), "allowed_fall": ALLOWED_FALL},
        "hostile": hostile,
        "sites": sizes,
        "rules": {rule: _sum_up(predictions, rule, plan) for rule in plan.rules},
        "notes": notes,
    }


def _keep(path: Path, table: pd.DataFrame, notes: Mapping[str, str]) -> None:
    write_json(path.with_suffix(".json"), notes)
    with replacing(path) as beside:
        table.to_parquet(beside)


def _run(
    federation: Federation, rule: str, attack: str, hostile: str, fit: str, fold: Fold
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Fused predictions of the test cases; the class prior, and a note, where the study broke down."""
    under = with_recipe(federation, rule, same_choice(list(federation.modalities), _MIDDLE), fit)
    sites = fold.opened(under)
    tested = fold.tested(under)
    grid = grid_over(fold.sites) if attack == NONE else hostile_grid(fold.sites, hostile, attack, under.seed)
    prior = _fused(score_prior(sites, tested, rule))
    try:
        study = run_study(grid, under, Options(sites=len(sites), evaluates=False))
    except RuntimeError as error:
        return prior, {f"{rule}, {attack}, {fold.folder.name}": f"the study stopped: {error}"}
    table = _fused(score(fitted_model(study), tested, rule, subsets=False))
    if not np.isfinite(table.filter(like="p_").to_numpy()).all():
        return prior, {f"{rule}, {attack}, {fold.folder.name}": "the model predicts no finite numbers"}
    return table, {}


def _fused(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["set"] == FUSED].reset_index(drop=True)


def _sizes(fold: Fold, federation: Federation) -> dict[str, int]:
    """Training cases by site."""
    return {site.site.name: int(site.class_counts().sum()) for site in fold.opened(federation)}


def _sum_up(predictions: Mapping[tuple[str, str], pd.DataFrame], rule: str, plan: RobustnessPlan) -> dict[str, Any]:
    """Fused macro-AUROC with and without each attack, and the paired fall; on the cases of all folds."""
    draws = {attack: _draws(predictions[rule, attack]) for attack in (NONE, *plan.attacks)}
    cost = draws[NONE] - _draws(predictions[plan.rules[0], NONE])
    return {
        "macro_auroc": {attack: estimate(own) for attack, own in draws.items()},
        "fall": {attack: estimate(draws[NONE] - draws[attack]) for attack in plan.attacks},
        "against_first": estimate(cost),
    }


def _draws(table: pd.DataFrame) -> np.ndarray:
    ordered = table.sort_values("case_id")
    probabilities, labels = ordered.filter(like="p_").to_numpy(), ordered["label"].to_numpy()
    return metric_draws(probabilities, labels, case_weights(len(labels), _DRAWS))["macro_auroc"]
