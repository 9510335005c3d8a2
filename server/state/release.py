"""A release: each branch, its fold copies, the head and its calibration in files, and model.json that names them.

A branch's file depends on that branch alone, so adding or removing another modality leaves it byte for byte the same.
The fold copies are kept so that the head can be refitted without training any other branch again.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import save

from modalities.core.fields import AUTO
from modalities.core.files.atomic import write_atomically
from modalities.core.model.predict import FittedBranch, FittedModel
from modalities.core.parts import modality_of, parts_of
from modalities.core.release.release import (
    CALIBRATION,
    CARD,
    FORMAT,
    HEAD,
    MODEL,
    STATE,
    WEIGHT,
    Release,
    file_of,
    open_release,
)
from modalities.core.supply.bill import BILL, LICENCES, bill_of, licences_of
from modalities.core.supply.packages import installed
from server.state.card import card_of
from server.state.evaluation import results_in
from server.state.study import StudyState
from strategies.bundle import version_of_source
from strategies.wire import Weights


def write_release(folder: Path, study: StudyState, extra: Mapping[str, Any] | None = None) -> Path:
    """Write the release of a finished study; `extra` goes into model.json under its own keys."""
    files = {}
    for part, weights in sorted(study.weights.items()):
        if modality_of(part) in study.states:
            path = file_of(part)
            files[path] = _write(folder / path, _branch_arrays(study.states[modality_of(part)], weights))
    files[HEAD] = _write(folder / HEAD, study.head)
    files[CALIBRATION] = _write(folder / CALIBRATION, study.calibration)
    held = sorted({modality_of(part) for part in study.weights})
    model = {
        "format": FORMAT,
        "federation": study.federation.to_dict(),
        "config_digest": study.federation.digest,
        "modalities": held,
        "cases": {name: sum(own.get(name, 0) for own in study.cohorts.values()) for name in held},
        "class_counts": dict(zip(study.federation.task.classes, study.class_counts, strict=True)),
        "rounds": {name: own.stop.best_round or own.rounds for name, own in study.progress.items()},
        **({"incomplete_sums": sums} if (sums := study.missing.sums()) else {}),
        "head": {"name": study.head_name, "out_of_fold_loss": study.out_of_fold},
        **({"evaluation": results.to_plain()} if (results := results_in(study)) else {}),
        **(extra or {}),
    }
    packages = installed()
    texts = {
        CARD: card_of(study.federation, model, study.cohorts.values()).encode(),
        BILL: bill_of(packages),
        LICENCES: licences_of(packages),
    }
    for name, text in texts.items():
        write_atomically(folder / name, text)
        files[name] = hashlib.sha256(text).hexdigest()
    model["files"] = files
    write_atomically(folder / MODEL, json.dumps(model, indent=2, sort_keys=True).encode())
    return folder


def made_by(code: str) -> dict[str, Any]:
    """What model.json says of the program: its version, and the digest of the code that the sites approved."""
    return {"tessera": {"version": version_of_source(), "code": code}}


def read_release(folder: Path) -> tuple[StudyState, dict[str, Any]]:
    """The study as far as a release holds it, all branches frozen, and model.json.

    Raises:
        ValueError: model.json is none of this version, or a file is missing or differs from its digest in it; all of
            them are named.
    """
    release = open_release(folder)
    return study_of(release), dict(release.model)


def study_of(release: Release) -> StudyState:
    """The study as far as a release holds it, all branches frozen."""
    federation = release.federation
    study = StudyState(federation, frozen=release.modalities, finished=True)
    study.head_name, study.out_of_fold = release.head_name, release.out_of_fold_loss
    study.class_counts = [release.model["class_counts"][name] for name in federation.task.classes]
    for name in release.modalities:
        study.states[name] = release.state(name)
        study.weights |= {part: release.weights(part) for part in parts_of(name, federation.fusion)}
    study.head, study.calibration = release.head, release.calibration
    return study


def fitted_model(study: StudyState, device: str = AUTO) -> FittedModel:
    """The branches and head of a study, ready to predict; `device` is as `resources.device` of site.yaml."""
    names = [name for name in study.federation.modalities if name in study.weights]
    branches = {
        name: FittedBranch(study.federation.modalities[name], study.states[name], study.weights[name]) for name in names
    }
    head = {key: torch.from_numpy(array) for key, array in study.head.items()}
    return FittedModel(study.federation, branches, head, study.head_name, study.calibration, device)


def _branch_arrays(state: Weights, weights: Weights) -> Weights:
    named = {STATE + name: array for name, array in state.items()}
    return named | {WEIGHT + name: array for name, array in weights.items()}


def _write(path: Path, arrays: Weights) -> str:
    """Write the file and give its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = save(dict(sorted(arrays.items())))
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()
