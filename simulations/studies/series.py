"""The same experiment several times over: with other seeds and folds, or with more modalities missing.

Each run is an experiment of its own, in a folder of its own, so a series goes on where it was stopped; raw files and
the cohort are shared.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from modalities.core.files.atomic import write_json
from modalities.core.settings.federation import Federation
from simulations.cohorts.cohort import Cohort, with_features_of_data
from simulations.report import write_study
from simulations.scores.predictions import COMPLETE, FUSED
from simulations.studies.experiment import Protocol, prepare_folds, run_experiment
from simulations.studies.lacks import say_what_sites_lack

SERIES_ARMS = ("federated", "centralised", "local")
SERIES_METRICS = ("macro_auroc", "balanced_accuracy")
PAIR = "federated-centralised"


@dataclass(frozen=True)
class Series:
    """What is run, and what it comes to."""

    runs: Mapping[str, tuple[Federation, Protocol]]
    """By folder."""
    summary: Callable[[Sequence[dict[str, Any]]], dict[str, Any]]
    """results.json of every run -> the series' own key."""
    lead: str


def plan_of(federation: Federation, protocol: Protocol, n_repeats: int, rates: Sequence[float]) -> Series | None:
    """The seeds seed, ..., seed + n - 1, each with folds of its own; or the same folds at each missing rate."""
    if n_repeats > 1:
        seeds = range(protocol.seed, protocol.seed + n_repeats)
        runs = {f"seed-{seed}": (replace(federation, seed=seed), replace(protocol, seed=seed)) for seed in seeds}
        return Series(runs, repeats_summary, f"{n_repeats} runs with seeds {seeds[0]} to {seeds[-1]}, each in full.")
    if len(rates) > 1:
        runs = {f"missing-{rate:g}": (federation, replace(protocol, missing_rate=rate)) for rate in rates}
        return Series(runs, missing_summary, f"{len(rates)} runs that differ by what sites lack, on the same folds.")
    return None


def run_series(cohort: Cohort, series: Series, out: Path, workers: int | str, console: Console) -> dict[str, Any]:
    """Run what is not done yet; then results.json and report.html of the series, above those of the runs.

    Raises:
        ValueError: a folder of the series holds an experiment with other settings.
    """
    found = []
    for name, (asked, protocol) in series.runs.items():
        folder = out / name
        console.print(f"{name}: {folder}", soft_wrap=True)
        federation = with_features_of_data(asked, cohort, folder)
        folds = prepare_folds(cohort, federation, protocol, folder)
        if not found:  # the sites of every run are the same
            say_what_sites_lack(folds[0], federation, console)
        if not (folder / "results.json").is_file():
            run_experiment(folds, protocol, folder, workers, console)
        found.append(json.loads((folder / "results.json").read_text(encoding="utf-8")))
    results = {"task": found[0]["task"], "protocol": found[0]["protocol"], "runs": list(series.runs)}
    results |= series.summary(found)
    write_json(out / "results.json", results)
    write_study(results, found[0]["task"]["name"], series.lead, out)
    return results


def repeats_summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`{"repeats": ...}`: each arm's value by seed, with mean and standard deviation, and of the paired difference."""
    seeds = [one["protocol"]["seed"] for one in found]
    arms = {arm: _by_set([one["arms"].get(arm, {}) for one in found]) for arm in SERIES_ARMS}
    return {
        "repeats": {
            "seeds": seeds,
            "cv": found[0]["protocol"]["cv"],
            "arms": {arm: sets for arm, sets in arms.items() if sets},
            "differences": {PAIR: _by_set([one["differences"].get(PAIR, {}) for one in found])},
            **_private_summary([one["privacy"] for one in found if "privacy" in one]),
        }
    }


def _private_summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`{"privacy": ...}`: the federated arm by epsilon, `0` without, likewise; nothing where none was asked for."""
    if not found:
        return {}
    runs = {"0": [one["without"] for one in found]}
    runs |= {name: [one["epsilons"][name]["sets"] for one in found] for name in found[0]["epsilons"]}
    return {"privacy": {name: _by_set(sets) for name, sets in runs.items()}}


def missing_summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`{"missing_rates": ...}`: each arm's estimate by rate, and the paired difference's."""
    sets = (FUSED, COMPLETE)
    arms = {
        arm: {name: [one["arms"][arm][name]["macro_auroc"] for one in found] for name in sets}
        for arm in SERIES_ARMS
        if all(name in one["arms"].get(arm, {}) for one in found for name in sets)
    }
    gaps = [one["differences"].get(PAIR, {}) for one in found]
    return {
        "missing_rates": {
            "rates": [one["protocol"]["missing_rate"] for one in found],
            "arms": arms,
            "differences": {name: [gap.get(name, {}).get("macro_auroc") for gap in gaps] for name in sets},
        }
    }


def _by_set(scored: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """SET -> metric -> values, mean and standard deviation over the runs (n - 1), of those every run has."""
    return {
        name: {metric: _spread([one[name][metric]["value"] for one in scored]) for metric in SERIES_METRICS}
        for name in scored[0]
        if all(metric in one.get(name, {}) for one in scored for metric in SERIES_METRICS)
    }


def _spread(values: Sequence[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else None
    return {"values": list(values), "mean": mean, "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None}
