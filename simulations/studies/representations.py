"""Copy number as arms, calls and log2 ratios, side by side: what each is worth, and what a round of it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from modalities.core.files.atomic import write_json
from modalities.core.registry import plugin
from modalities.core.settings.federation import Federation
from simulations.arms.sweep import gather, sweep
from simulations.cohorts.cohort import Cohort, with_features_of_data
from simulations.report import write_study
from simulations.scores.metrics import N_DRAWS, case_weights, summarise
from simulations.studies.experiment import Protocol, prepare_folds
from simulations.studies.lacks import say_what_sites_lack

MODALITY = "cnv"
REPRESENTATIONS = ("arms", "calls", "log2")
STUDIED = ("federated", "centralised")
COMMON = "common"


@dataclass(frozen=True)
class Scored:
    """One representation's out-of-fold predictions, and what it took."""

    predictions: pd.DataFrame
    inputs: int
    bytes_per_round: float


def compare_representations(
    cohort: Cohort,
    federations: Mapping[str, Federation],
    protocol: Protocol,
    out: Path,
    workers: int | str,
    console: Console,
) -> dict[str, Any]:
    """Every representation on the same folds; writes results.json and report.html, and gives the former.

    Args:
        cohort: whose sources hold what every representation is read from.
        federations: by name, each with the one modality `cnv`.
        protocol: of every experiment.
        out: each experiment is a folder in it; what is done stays done.
        workers: side by side.
        console: for the progress.
    """
    scored = {}
    for name, settings in federations.items():
        agreed = with_features_of_data(settings, cohort, out / name)
        folds = prepare_folds(cohort, agreed, protocol, out / name)
        say_what_sites_lack(folds[0], agreed, console)
        sweep(folds, workers, console, STUDIED)
        predictions, details = gather(folds, STUDIED)
        scored[name] = Scored(predictions, _inputs(cohort, agreed), bytes_per_round(details["federated"]))
    classes = next(iter(federations.values())).task.classes
    results = {"representations": results_of(scored, classes, protocol.seed), "protocol": vars(protocol)}
    write_json(out / "results.json", results)
    lead = f"{protocol.folds} {protocol.cv} folds, seed {protocol.seed}; a linear branch each, trained alone."
    write_study(results, "Representations of copy number", lead, out)
    return results


def _inputs(cohort: Cohort, federation: Federation) -> int:
    """How many numbers a case becomes: three a gene where calls are."""
    config = federation.modalities[MODALITY]
    source = next(held[MODALITY] for held in cohort.sources.values() if MODALITY in held)
    module = plugin(config.kind)
    return len(module.sums(module.read(source, config), config)["n"])


def bytes_per_round(studies: Sequence[Mapping[str, Any]]) -> float:
    """What a site sends and receives of the modality in a round, fold copies and the study's statistics included."""
    total = rounds = 0
    for study in studies:
        each = [site[MODALITY] for site in study["bytes"].values() if MODALITY in site]
        total += sum(both["up"] + both["down"] for both in each)
        rounds += len(each) * (len(study["curves"][MODALITY]) - 1)  # the first entry is of the initial weights
    return total / rounds


def results_of(scored: Mapping[str, Scored], classes: Sequence[str], seed: int) -> dict[str, Any]:
    """By representation: each arm on the cases that hold it, and on those that hold all (`common`).

    Raises:
        ValueError: no case holds all.
    """
    held = [set(one.predictions.loc[one.predictions["set"] == MODALITY, "case_id"]) for one in scored.values()]
    common = set.intersection(*held)
    if not common:
        raise ValueError("no test case holds every representation, so that they could be compared; check the files")
    found: dict[str, Any] = {}
    for name, one in scored.items():
        found[name] = {"inputs": one.inputs, "bytes_per_round": one.bytes_per_round}
        own = _arms(one.predictions, classes, seed)
        found[name] |= {"n": own["federated"]["n"], "macro_auroc": own["federated"]["macro_auroc"], "arms": own}
        found[name][COMMON] = _arms(one.predictions[one.predictions["case_id"].isin(common)], classes, seed)
    return found


def _arms(predictions: pd.DataFrame, classes: Sequence[str], seed: int) -> dict[str, Any]:
    """Every metric of each arm; the resamples are the same for all, so that they can be held side by side."""
    result = {}
    for arm in STUDIED:
        own = predictions[(predictions["arm"] == arm) & (predictions["set"] == MODALITY)].sort_values("case_id")
        probabilities = own[[f"p_{number}" for number in range(len(classes))]].to_numpy(float)
        weights = case_weights(len(own), N_DRAWS, seed)
        result[arm] = summarise(probabilities, own["label"].to_numpy(int), weights, classes)
    return result
