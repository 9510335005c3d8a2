"""Convergence study: how each strategy's held-out loss falls round by round, and what stopping it there is worth.

Branches only, no fusion phase, and a held-out part of each site's training cases (`fit: tune`): the held-out loss
tunes and stops, the test cases only tell what came of it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from client.alone.model import fit_pooled
from client.study.session import site_folders
from modalities.core.blocks.branch import build_branch, load_weights
from modalities.core.files.atomic import write_json
from modalities.core.model.predict import branch_outputs
from modalities.core.patience import Patience
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation
from server.phases.branches import close_branches, train_branches
from server.phases.options import Options
from server.phases.order import take_attendance
from server.state.study import StudyState
from simulations.arms.arms import Fold
from simulations.arms.scoring import TestCases
from simulations.cohorts.cohort import FEDERATION
from simulations.engines.inline import grid_over
from simulations.engines.machine import side_by_side
from simulations.scores.metrics import case_weights, metric_draws
from simulations.studies.recipes import recipe_of, same_choice, tuned_value, with_recipe
from strategies.settings import load_federation
from strategies.wire import Weights

GAP = 0.01
"""The largest loss of macro-AUROC against pooled training that counts as none."""
CENTRALISED, FIT = "centralised", "tune"


@dataclass(frozen=True)
class ConvergencePlan:
    """What is run."""

    strategies: tuple[str, ...]
    rounds: int = 60
    patience: int = 10
    """Rounds without a lower held-out loss after which the stopping rule stops."""


def run_convergence(
    folds: Sequence[Fold], plan: ConvergencePlan, out: Path, advance: Callable[[str], None]
) -> dict[str, Any]:
    """Run what is not done yet, a file a strategy and fold below `out`, and sum up; `advance` is told of each."""
    federation = load_federation(folds[0].root / FEDERATION)
    names, found = list(federation.modalities), {}
    for strategy in (CENTRALISED, *plan.strategies):
        chosen: Mapping[str, int] | None = None
        for number, fold in enumerate(folds, start=1):
            path = out / "convergence" / f"{strategy}_{plan.rounds}_{plan.patience}_{number}.json"
            if not path.is_file():
                with side_by_side():
                    write_json(path, _run(federation, strategy, plan, fold, chosen))
            found[strategy, number] = json.loads(path.read_text(encoding="utf-8"))
            if chosen is None and strategy != CENTRALISED:
                chosen = {name: found[strategy, number][name]["choice"] for name in names}
            advance(f"{strategy}, fold {number}")
    by_strategy = {
        strategy: [found[strategy, number] for number in range(1, len(folds) + 1)]
        for strategy in (CENTRALISED, *plan.strategies)
    }
    modalities = {name: _sum_up(federation, name, by_strategy, plan) for name in names}
    return {"plan": {**asdict(plan), "folds": len(folds), "fit": FIT, "gap": GAP}, "modalities": modalities}


def _run(
    federation: Federation, strategy: str, plan: ConvergencePlan, fold: Fold, chosen: Mapping[str, int] | None
) -> dict[str, Any]:
    """One strategy on one fold, by modality; without a choice every value is tried, and the best by held-out loss kept.

    Raises:
        RuntimeError: no value of the tuned setting got through all rounds.
    """
    names = list(federation.modalities)
    tested = fold.tested(federation)
    if strategy == CENTRALISED:
        return _centralised(federation, fold, tested)
    choices = range(len(recipe_of(strategy).values))
    tries = [chosen] if chosen else [same_choice(names, choice) for choice in choices]
    studies = [_watched(with_recipe(federation, strategy, each, FIT, plan.rounds), fold.sites) for each in tries]
    result = {}
    for name in names:
        losses = [_loss_at_stop(watched, name, plan) for watched in studies]
        best = int(np.argmin(losses))
        if not np.isfinite(losses[best]):
            raise RuntimeError(f"{strategy}, {name}: every value of {recipe_of(strategy).tuned} diverged")
        watched = studies[best]
        result[name] = {
            "choice": tries[best][name],
            "tried": [loss if np.isfinite(loss) else None for loss in losses],
            "held_out": watched.study.progress[name].curve,
            "auroc": [None, *(_auroc(watched, name, weights[name], tested) for weights in watched.weights)],
            "bytes_a_round": watched.bytes_a_round[name],
        }
    return result


@dataclass(frozen=True)
class _Watched:
    """Phases 1 to 3 of a study, and what it looked like on the way."""

    study: StudyState
    weights: list[dict[str, Weights]]
    """By round from 1 on: each modality's branch."""
    bytes_a_round: Mapping[str, float]
    """Of training, all sites, both ways."""


def _watched(federation: Federation, root: Path) -> _Watched:
    study, seen = StudyState(federation), []
    names = list(federation.modalities)

    def watch(event: Mapping[str, Any]) -> None:
        if event["phase"] == "branches":
            seen.append({name: study.weights[name] for name in names})

    options = Options(sites=len(site_folders(root)), report=watch)
    attendance = take_attendance(grid_over(root), study, options)
    before = _bytes_of(study, names)
    try:
        train_branches(attendance)
    except RuntimeError:  # no site had a finite reply any more: the rounds before stand
        return _Watched(study, seen, dict.fromkeys(names, 0.0))
    after = _bytes_of(study, names)
    close_branches(attendance)
    rounds = {name: max(1, study.progress[name].rounds) for name in names}
    return _Watched(study, seen, {name: (after[name] - before[name]) / rounds[name] for name in names})


def _bytes_of(study: StudyState, names: Sequence[str]) -> dict[str, float]:
    table = study.traffic.table().values()
    return {name: float(sum(sum(own[name].values()) for own in table if name in own)) for name in names}


def _loss_at_stop(watched: _Watched, name: str, plan: ConvergencePlan) -> float:
    """The held-out loss where the stopping rule stops; infinite for a run that did not get through."""
    progress = watched.study.progress.get(name)
    if progress is None or len(progress.curve) <= plan.rounds:
        return float("inf")
    return progress.curve[stopping_round(progress.curve, plan.patience)[0]]


def stopping_round(losses: Sequence[float], patience: int) -> tuple[int, bool]:
    """The round that the stopping rule keeps, and whether it stopped before the rounds were used up."""
    rule = Patience(patience)
    for number, loss in enumerate(losses):
        rule.improves(number, loss)
        if rule.exhausted(number):
            return rule.best_round, True
    return rule.best_round, False


def _auroc(watched: _Watched, name: str, weights: Weights, tested: TestCases) -> float:
    federation = watched.study.federation
    config, state, cases = federation.modalities[name], watched.study.states[name], tested.cases[name]
    branch = build_branch(config, state, federation.n_classes, seed=0)
    load_weights(branch, weights)
    logits, _ = branch_outputs(branch, config.kind, plugin(config.kind).prepare(cases, state, config))
    return _macro_auroc(logits, tested, cases.case_ids)


def _macro_auroc(logits: torch.Tensor, tested: TestCases, case_ids: Sequence[str]) -> float:
    labels = tested.frame.set_index("case_id")["label"].loc[list(case_ids)].to_numpy()
    draws = metric_draws(logits.softmax(dim=1).numpy(), labels, case_weights(len(labels), 0))
    return float(draws["macro_auroc"][0])


def _centralised(federation: Federation, fold: Fold, tested: TestCases) -> dict[str, Any]:
    """Macro-AUROC of pooled training by modality, under its own settings and the same held-out part."""
    pooled = with_recipe(federation, "fedadam", same_choice(list(federation.modalities), 1), FIT)
    fitted = fit_pooled(fold.training(pooled), pooled, CENTRALISED)
    case_ids = tested.frame["case_id"].tolist()
    outputs = fitted.model.outputs(tested.cases, case_ids)
    return {
        name: {
            "auroc": _macro_auroc(
                outputs.logits[name][outputs.present[name]],
                tested,
                [case_id for case_id, has in zip(case_ids, outputs.present[name].tolist(), strict=True) if has],
            ),
            "held_out": fitted.curves[name],
        }
        for name in federation.modalities
    }


def _sum_up(
    federation: Federation, name: str, found: Mapping[str, Sequence[Any]], plan: ConvergencePlan
) -> dict[str, Any]:
    """Means over the folds, the stopping round on the mean loss, and the strategy that gets there first."""
    pooled = float(np.mean([fold[name]["auroc"] for fold in found[CENTRALISED]]))
    strategies: dict[str, Any] = {}
    for strategy in plan.strategies:
        folds, recipe = [fold[name] for fold in found[strategy]], recipe_of(strategy)
        losses = np.mean([fold["held_out"] for fold in folds], axis=0).tolist()
        aurocs = [None, *np.mean([fold["auroc"][1:] for fold in folds], axis=0).tolist()]
        stop, stopped = stopping_round(losses, plan.patience)
        near = [number for number, auroc in enumerate(aurocs) if auroc is not None and auroc >= pooled - GAP]
        strategies[strategy] = {
            "tuned": recipe.tuned,
            "value": tuned_value(federation, name, recipe, folds[0]["choice"]),
            "values": [tuned_value(federation, name, recipe, choice) for choice in range(len(recipe.values))],
            "tried": folds[0]["tried"],
            "held_out": losses,
            "auroc": aurocs,
            "stop": stop,
            "stopped": stopped,
            "auroc_at_stop": aurocs[stop],
            "gap_at_stop": None if aurocs[stop] is None else aurocs[stop] - pooled,
            "first_near": near[0] if near else None,
            "stays_near": stays_near(aurocs, pooled),
            "bytes_to_stop": stop * float(np.mean([fold["bytes_a_round"] for fold in folds])),
        }
    return {"centralised": pooled, "strategies": strategies, "fastest": _fastest(strategies)}


def stays_near(aurocs: Sequence[float | None], pooled: float) -> int | None:
    """The first round from which on no round is more than GAP short of pooled training; None where the last one is."""
    far = [number for number, auroc in enumerate(aurocs) if auroc is None or auroc < pooled - GAP]
    return far[-1] + 1 if far[-1] + 1 < len(aurocs) else None


def _fastest(strategies: Mapping[str, Any]) -> str | None:
    """The strategy that, where the stopping rule stops it, is within GAP of pooled training, in the fewest rounds."""
    near = {key: own["stop"] for key, own in strategies.items() if own["gap_at_stop"] is not None}
    near = {key: stop for key, stop in near.items() if strategies[key]["gap_at_stop"] >= -GAP}
    return min(near, key=lambda key: (near[key], key)) if near else None
