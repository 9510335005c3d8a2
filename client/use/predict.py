"""`tessera-client predict`: a release and a site folder's raw files -> each case's probabilities, and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from client.check.case_list import training_cases
from client.use.about import about
from client.use.predictions import Predictions
from client.use.shapley import shapley, subsets_of
from modalities.core.contract import Cases, Source
from modalities.core.fields import AUTO
from modalities.core.files.remarks import remarked
from modalities.core.files.tables.delimited import listing
from modalities.core.model.calibration import THRESHOLDS
from modalities.core.model.conformal import sets_of
from modalities.core.problems import check
from modalities.core.release.release import Release, open_release
from modalities.core.release.signing import SIGNATURE, check_signature
from modalities.core.settings.site import SiteConfig, read_site_config
from modalities.core.settings.sources import pseudonyms_of
from modalities.core.settings.task import Task
from modalities.core.site.cases import case_ids_of, held, open_sources, read_cases, read_source
from modalities.core.site.frames import cases_of_frame


def predict_folder(folder: Path, release: Path, key: Path | None) -> Predictions:
    """Read the release, checked with this key, and the folder's raw files; no label is needed.

    Raises:
        ValueError: the release is not what the key signed, or every problem of the folder at once.
    """
    opened, signer = checked_release(release, key)
    found = predict(opened, folder)
    return replace(found, about=replace(found.about, signer=signer))


def checked_release(release: Path, key: Path | None) -> tuple[Release, str]:
    """The release, and the fingerprint of the key that signed it; without a key nobody's.

    Raises:
        ValueError: it is not what the key signed, or no release.
    """
    if key is not None and (release / "model.json").is_file() and not (release / SIGNATURE).is_file():
        raise ValueError(
            f"{release}: no signature here ({SIGNATURE}); ask the coordinator for the whole release, or give "
            "--unsigned for one that tessera-simulate made, which nobody signs"
        )
    if key is None:
        return open_release(release), ""
    check_signature(release, key)  # first, so that whatever was changed is told as that
    opened = open_release(release)
    return opened, check_signature(release, key, opened.written)


def key_of(folder: Path, given: Path | None, unsigned: bool = False) -> Path | None:
    """The key to check releases with: the one given, or the one that site.yaml names; None for an `unsigned` one.

    Raises:
        ValueError: neither is there; or a key was given for a release that nobody signed.
    """
    if unsigned and given is not None:
        raise ValueError("--key and --unsigned exclude each other")
    if unsigned:
        return None
    key = given or folder / read_site_config(folder / "site.yaml").coordinator.release_key
    if not key.is_file():
        raise ValueError(
            f"{key}: no such key; give the coordinator's release.pub with --key, or --unsigned for a release that "
            "you made yourself"
        )
    return key


def predict(release: Release, folder: Path) -> Predictions:
    """What the release says of the folder's cases.

    Raises:
        ValueError: every problem of the folder at once.
    """
    config, sources = open_sources(folder)
    with remarked() as heard:
        case_ids = _listed(folder, config)
        found, notes = _read(release, sources, case_ids, config.cases)
    if not any(cases.case_ids for cases in found.values()):
        raise ValueError(
            f"{folder}: nothing to predict from: the release has {', '.join(release.modalities)}, the folder's sources "
            f"are {', '.join(sources) or 'none'}, and none of its files holds a case of {config.cases}"
        )
    explained = _explained(release, found, case_ids, [*notes, *map(str, heard)], config.resources.device)
    trained = _marked_for_training(folder, config, release.federation.task)
    return replace(explained, about=replace(explained.about, site=config.name), trained=trained)


def predict_frames(release: Release, frames: Mapping[str, pd.DataFrame]) -> Predictions:
    """What the release says of the cases of data frames, by modality: a row a case, its case_id as the index.

    The columns are the modality's agreed features, for clinical the fields of its dictionary; a case may be in some of
    the frames only.

    Raises:
        ValueError: every problem of the frames at once.
    """
    unknown = [name for name in frames if name not in release.modalities]
    problems = [
        f"{name}: not a modality of this release, which has {', '.join(release.modalities)}" for name in unknown
    ]
    found: dict[str, Cases] = {}
    for name in [name for name in frames if name not in unknown]:
        try:
            found[name] = cases_of_frame(frames[name], release.federation.modalities[name])
        except ValueError as error:
            problems.append(f"{name}: {error}")
    check(problems + ["give the frame of at least one modality"] * (not frames))
    case_ids = list(dict.fromkeys(str(case_id) for frame in frames.values() for case_id in frame.index))
    notes = [f"{name}: {count} {what}" for name, cases in found.items() for what, count in cases.notes.items() if count]
    return _explained(release, found, case_ids, notes)


def _read(
    release: Release, sources: Mapping[str, Source], case_ids: Sequence[str], listed_in: str
) -> tuple[dict[str, Cases], list[str]]:
    """The listed cases of every modality that the release and the folder have, and what was left out."""
    found: dict[str, Cases] = {}
    notes, problems, wanted = [], [], set(case_ids)
    for name in [name for name in release.modalities if name in sources]:
        own = release.federation.modalities[name]
        try:
            read = read_source(sources[name], own)
            listed = read.select([case_id for case_id in read.case_ids if case_id in wanted])
            found[name] = held(listed, sources[name])
        except ValueError as error:
            problems.append(f"{name}: {error}")
            continue
        counts = {**found[name].notes, f"cases not in {listed_in}": len(read.case_ids) - len(listed.case_ids)}
        notes += [f"{name}: {count} {what}" for what, count in counts.items() if count]
    check(problems)
    unused = [name for name in sources if name not in release.modalities]
    return found, notes + [f"{name}: not a modality of this release; its files were not read" for name in unused]


def _explained(
    release: Release, cases: dict[str, Cases], case_ids: Sequence[str], notes: Sequence[str], device: str = AUTO
) -> Predictions:
    model, rows = release.fitted(device), np.arange(len(case_ids))
    outputs = model.outputs(cases, case_ids)
    names = outputs.modalities
    classes = release.federation.task.classes
    counts = np.array([release.model["class_counts"][name] for name in classes], dtype=np.float64)
    known = counts if counts.any() else np.ones(len(classes))  # under an epsilon no counts were summed
    prior = known / known.sum()
    by_subset = {}
    for subset in subsets_of(names):
        scored = model.probabilities(outputs.only(sorted(subset)))
        by_subset[subset] = np.where(np.isnan(scored), prior, scored)  # NaN: the case has none of these
    best = by_subset[frozenset(names)].argmax(axis=1)
    fused = model.probabilities(outputs)
    thresholds = model.calibration.get(THRESHOLDS)
    added = shapley({subset: scored[rows, best] for subset, scored in by_subset.items()}, names)
    return Predictions(
        tuple(case_ids),
        tuple(classes),
        tuple(names),
        fused,
        None if thresholds is None else sets_of(fused, thresholds),
        np.stack([outputs.present[name].numpy() for name in names], axis=1),
        prior,
        np.stack([added[name] for name in names], axis=1),
        tuple(notes),
        about(release),
    )


def _marked_for_training(folder: Path, config: SiteConfig, task: Task) -> frozenset[str]:
    """The cases that a study of this task would train on; none where the list has no labels for it."""
    cases, _ = read_cases(folder / config.cases, task, [], config.labels, pseudonyms_of(folder, config, []))
    return frozenset(training_cases(cases).index)


def _listed(folder: Path, config: SiteConfig) -> list[str]:
    case_ids = case_ids_of(folder, config)
    repeated = sorted(name for name, count in Counter(case_ids).items() if name and count > 1)
    check(
        [f"{config.cases}: a row without a case_id; fill it in or take the row out"] * ("" in case_ids)
        + [f"{config.cases}: cases listed more than once: {listing(repeated)}; keep one row a case"] * bool(repeated)
        + [f"{config.cases}: lists no case"] * (not case_ids)
    )
    return case_ids
