"""Loose coupling: add a modality to a release, or remove one, without training any other branch again."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from client.study.session import site_folders
from modalities.core.files.atomic import write_json
from modalities.core.model.predict import FittedModel
from modalities.core.parts import parts_of
from modalities.core.settings.federation import Federation, federation_from
from modalities.core.site.cases import open_site
from modalities.core.site.store import SiteData
from server.state.release import fitted_model, read_release
from server.state.study import StudyState
from simulations.arms.arms import RELEASE, federate
from simulations.arms.scoring import TestCases, score, score_same, test_cases
from simulations.cohorts.cohort import FEDERATION, Cohort, with_features_of_data, write_fold
from simulations.cohorts.tcga import open_dataset, write_raw_files
from simulations.scores.metrics import case_weights, metric_draws, paired_difference, summarise
from simulations.scores.predictions import COMPLETE, FUSED

SPLIT = "split.csv"
_SCORES = ("macro_auroc", "balanced_accuracy", "accuracy")


@dataclass(frozen=True)
class Change:
    """What adding or removing a modality came to."""

    results: Mapping[str, Any]
    out: Path


def keep_split(release: Path, sites: Path, federation: Federation) -> None:
    """Write who was where, and who was tested, beside a simulated release: what `add` and `remove` are scored on."""
    frames = []
    for folder in site_folders(sites):
        site = open_site(folder, federation.task)
        frames.append(pd.read_csv(folder / "cases.csv", keep_default_na=False).assign(site=site.name))
    pd.concat(frames).rename(columns={federation.task.label: "label"}).to_csv(release / SPLIT, index=False)


def add_modality(release: Path, data: Path, name: str, section: Mapping[str, Any], out: Path, engine: str) -> Change:
    """Train the one branch and refit the fusion head.

    Raises:
        ValueError: the release has the modality already, or cannot be read; the data lacks something.
    """
    study, _ = read_release(release)
    if name in study.frozen:
        raise ValueError(f"{release} has {name} already; remove it first, or choose another name")
    raw = study.federation.to_dict()
    raw["modalities"][name] = dict(section)
    federation = federation_from(raw)
    cohort = _cohort(release, data, federation, out)
    federation = with_features_of_data(federation, cohort, out)
    return _refit(study, federation, cohort, release, out, engine, trained=[name])


def remove_modality(release: Path, data: Path, name: str, out: Path, engine: str) -> Change:
    """Leave the branch out and refit the fusion head of the others.

    Raises:
        ValueError: the release lacks the modality, has no other, or cannot be read; the data lacks something.
    """
    study, _ = read_release(release)
    rest = [other for other in study.frozen if other != name]
    if name not in study.frozen or not rest:
        raise ValueError(f"{release} holds {', '.join(study.frozen)}: cannot remove {name} from that")
    raw = study.federation.to_dict()
    raw["modalities"] = {other: section for other, section in raw["modalities"].items() if other != name}
    federation = federation_from(raw)
    cohort = _cohort(release, data, study.federation, out)  # with the one that goes: `before` is scored on it
    federation = with_features_of_data(federation, cohort, out)
    return _refit(study, federation, cohort, release, out, engine, trained=[])


def _cohort(release: Path, data: Path, federation: Federation, out: Path) -> Cohort:
    """The cases of the release's own split, with raw files from `data`: tables of all sites, or a site folder each."""
    if not (release / SPLIT).is_file():
        raise ValueError(f"{release}: no {SPLIT}; only a simulated release (--release) records its split")
    cases = pd.read_csv(release / SPLIT, keep_default_na=False).set_index("case_id")
    if any(data.glob("*/site.yaml")):
        sites = [open_site(folder, federation.task) for folder in site_folders(data)]
        sources = {
            site.name: {m: own for m, own in site.sources.items() if m in federation.modalities} for site in sites
        }
        return Cohort(cases, sources)
    dataset = open_dataset(data, list(federation.modalities), federation.task)
    return Cohort(cases, write_raw_files(dataset, cases["site"], out / "sites"))


def _refit(
    before: StudyState,
    federation: Federation,
    cohort: Cohort,
    release: Path,
    out: Path,
    engine: str,
    trained: Sequence[str],
) -> Change:
    """Run the study with every branch frozen but the trained ones, then score before and after on the test part."""
    tested = cohort.cases.index[cohort.cases["split"] == "test"].tolist()
    sites = write_fold(cohort, federation, tested, {}, out / "split" / "sites")
    kept = [name for name in federation.modalities if name not in trained]
    parts = [part for name in kept for part in parts_of(name, federation.fusion)]
    states = {name: before.states[name] for name in kept}
    start = StudyState(federation, states, weights={part: before.weights[part] for part in parts}, frozen=kept)
    started = time.perf_counter()
    after = federate(federation, out / FEDERATION, sites, out, engine, start)
    seconds = time.perf_counter() - started
    keep_split(out / RELEASE, sites, federation)
    everything = _everything(before.federation, federation)
    read = test_cases([SiteData(folder, everything) for folder in site_folders(sites)], everything)
    results = {
        "modalities": {"before": list(before.frozen), "after": list(federation.modalities)},
        "cost": {**_cost(after, trained), "seconds": seconds},
        "unchanged": _unchanged(release, out / RELEASE, parts),
        "sets": _compare(fitted_model(before), fitted_model(after), read, federation.seed),
    }
    write_json(out / "results.json", results)
    return Change(results, out)


def _everything(before: Federation, after: Federation) -> Federation:
    """Settings under which the test cases of both are read."""
    return after if len(after.modalities) >= len(before.modalities) else before


def _cost(study: StudyState, trained: Sequence[str]) -> dict[str, float]:
    """Training of the change as a share of training all branches: cases x passes x weights, over sites and copies."""
    work = {}
    for name, config in study.federation.modalities.items():
        cases = sum(own.get(name, 0) for own in study.cohorts.values())
        weights = sum(array.size for array in study.weights[name].values())
        rounds = study.progress[name].rounds or config.federated.rounds
        work[name] = cases * rounds * config.federated.local_epochs * weights
    return {"share_of_training_all": sum(work[name] for name in trained) / sum(work.values())}


def _unchanged(release: Path, changed: Path, parts: Sequence[str]) -> dict[str, bool]:
    """For each file of a kept branch: is it byte for byte the same?"""
    before = json.loads((release / "model.json").read_text(encoding="utf-8"))["files"]
    after = json.loads((changed / "model.json").read_text(encoding="utf-8"))["files"]
    files = sorted(name for name in after if Path(name).stem in parts)
    return {name: before.get(name) == after[name] for name in files}


def _compare(before: FittedModel, after: FittedModel, read: TestCases, seed: int) -> dict[str, Any]:
    """Fused before and after on the test cases with any modality, and on those with all; paired."""
    holds = read.holds
    sets = {FUSED: holds.any(axis=1).to_numpy(), COMPLETE: holds.all(axis=1).to_numpy()}
    fused = [_fused(model, read) for model in (before, after)]
    labels, classes = read.frame["label"].to_numpy(), list(after.federation.task.classes)
    found = {}
    for name, rows in sets.items():
        weights = case_weights(int(rows.sum()), seed=seed)
        pair = [probabilities[rows] for probabilities in fused]
        scores = [
            summarise(one, labels[rows], weights, classes, metric_draws(one, labels[rows], weights)) for one in pair
        ]
        found[name] = {
            "n": int(rows.sum()),
            "before": {metric: scores[0][metric] for metric in _SCORES},
            "after": {metric: scores[1][metric] for metric in _SCORES},
            "difference": paired_difference(pair[1], pair[0], labels[rows], weights),
        }
    return found


def _fused(model: FittedModel, read: TestCases) -> np.ndarray:
    """Fused probabilities of every test case; one that has none of the model's modalities gets equal ones."""
    n_classes = model.federation.n_classes
    table = score(model, read, "model", subsets=False)
    columns = [f"p_{index}" for index in range(n_classes)]
    found = table[table["set"] == FUSED].set_index("case_id")[columns]
    prior = score_same(np.full(n_classes, 1 / n_classes), read, "model")
    even = prior[prior["set"] == FUSED].set_index("case_id")[columns]
    return (
        found.reindex(read.frame["case_id"])
        .fillna(even.reindex(read.frame["case_id"]))
        .fillna(1 / n_classes)
        .to_numpy()
    )
