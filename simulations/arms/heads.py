"""Fusion heads side by side: every one fitted on the outputs of the same frozen branches, none of which it trains."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from client.study.session import site_folders
from modalities.core.fusion.head import head_named, heads
from modalities.core.fusion.search import Search
from modalities.core.model.predict import FittedModel
from server.phases.branches import close_branches, train_branches
from server.phases.fusion import head_search
from server.phases.options import Options
from server.phases.order import take_attendance
from server.state.study import StudyState
from simulations.arms.scoring import TestCases, fill_with_prior, score_fused
from simulations.engines.inline import grid_over
from simulations.scores.metrics import difference, summarise
from simulations.scores.predictions import COMPLETE, FUSED, Predictions
from strategies.exchange import Traffic

ALL, RIVALS = "all", ("mean", "weighted_logits_bias")
"""The heads that every other one is held against: no fit at all, and the paper's."""
_SETS = (FUSED, COMPLETE)


def heads_named(names: Sequence[str]) -> tuple[str, ...]:
    """The heads of these names, or all of them.

    Raises:
        ValueError: a name is no head's.
    """
    if list(names) == [ALL]:
        return tuple(sorted(heads()))
    for name in names:
        head_named(name)
    return tuple(names)


def federated_search(study: StudyState, sites: Path) -> tuple[Search, Traffic]:
    """Ready to fit any head in a federation of these sites with the study's branches; and the bytes as they add up."""
    options = Options(sites=len(site_folders(sites)))
    frozen = StudyState(study.federation, dict(study.states), weights=dict(study.weights), frozen=list(study.states))
    attendance = take_attendance(grid_over(sites), frozen, options)
    train_branches(attendance)  # none: all are frozen
    close_branches(attendance)
    return head_search(attendance), frozen.traffic


def score_heads(
    names: Sequence[str],
    search: Search,
    model: FittedModel,
    tested: TestCases,
    prior: pd.DataFrame,
    traffic: Traffic | None = None,
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """The fused predictions of each head, before any calibration, and what it is and cost.

    `prior` has the arm's name and the predictions of a case that no branch can score. The bytes are those of the fit
    alone: for a network that includes the folds that say when to stop, for the others not their out-of-fold loss.
    """
    outputs = model.outputs(tested.cases, tested.frame["case_id"].tolist())
    arm, rest = str(prior["arm"].iloc[0]), prior[prior["set"] == FUSED]
    tables, details = [], {}
    for name in names:
        before = _total(traffic)
        head = search.fitted(name)
        n_bytes = _total(traffic) - before
        scored = score_fused(replace(model, head=head, head_name=name, calibration={}), outputs, tested, arm)
        tables.append(fill_with_prior(scored, rest).assign(head=name))
        details[name] = {
            "parameters": sum(values.numel() for values in head.values()),
            "out_of_fold_loss": search.loss(name),
            "bytes": n_bytes,
        }
    return pd.concat(tables, ignore_index=True), details


def _total(traffic: Traffic | None) -> int:
    both = (traffic.down, traffic.up) if traffic else ()
    return sum(sum(own.values()) for direction in both for own in direction.values())


def compare_heads(
    tables: pd.DataFrame,
    details: Mapping[str, list[dict[str, Any]]],
    holds: pd.DataFrame,
    classes: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """By head: its size, and by arm the out-of-fold loss, bytes, every metric and the paired differences to RIVALS.

    `tables` are predictions with a column `head`; `details` is by arm, one {head: ...} a fold.
    """
    arms = list(details)
    known = {
        str(name): Predictions(table.drop(columns="head").reset_index(drop=True), holds, classes, seed=seed)
        for name, table in tables.groupby("head", sort=False)
    }
    loss = {(name, arm): _mean(details[arm], name, "out_of_fold_loss") for name in known for arm in arms}
    results = {}
    for name, own in known.items():
        by_arm = {
            arm: {
                "out_of_fold_loss": loss[name, arm],
                "least_loss": loss[name, arm] == min(loss[other, arm] for other in known),
                "bytes": _mean(details[arm], name, "bytes"),
                **{one: _summary(own, arm, one) for one in _SETS},
                "differences": {
                    f"{name}-{rival}": {one: _difference(own, known[rival], arm, one) for one in _SETS}
                    for rival in RIVALS
                    if rival in known and rival != name
                },
            }
            for arm in arms
        }
        fit = head_named(name).OPTIMISER
        results[name] = {"parameters": details[arms[0]][0][name]["parameters"], "optimiser": fit, "arms": by_arm}
    return results


def _summary(known: Predictions, arm: str, name: str) -> dict[str, object]:
    scores, cases = known.scores(arm, FUSED, name), known.cases(name)
    draws = known.draws(arm, FUSED, name)
    return summarise(scores.probabilities, cases.labels, cases.weights, known.classes, draws)


def _difference(own: Predictions, rival: Predictions, arm: str, name: str) -> dict[str, Any]:
    return difference([(own.draws(arm, FUSED, name), rival.draws(arm, FUSED, name))])


def _mean(folds: Sequence[Mapping[str, Any]], name: str, what: str) -> float:
    """Over the outer folds."""
    return sum(fold[name][what] for fold in folds) / len(folds)
